"""The local cloud: COS, CI, the OCR API and SCF on loopback, for development, tests and demonstrations."""
