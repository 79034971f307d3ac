"""A local cloud under faults: thousands of pictures go through, and every promise is checked afterwards."""
