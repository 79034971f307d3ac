"""What a person who runs the package needs: every code, metric and alarm with what it wants done."""
