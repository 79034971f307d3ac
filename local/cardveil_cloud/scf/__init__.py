"""SCF on loopback: the functions that serverless.yml names, run as the platform runs them."""
