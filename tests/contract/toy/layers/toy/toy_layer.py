"""What a layer brings."""

NAME = "toy layer"
