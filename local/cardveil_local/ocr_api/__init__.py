"""Tencent Cloud API 3.0 on loopback: the action RecognizeMainlandIDCardOCR with its signature and errors."""
