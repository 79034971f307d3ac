"""What tests and benchmarks share: local clouds, faults, samples, waiting."""
