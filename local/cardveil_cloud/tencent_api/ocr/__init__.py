"""The OCR product of API 3.0: the action RecognizeMainlandIDCardOCR and its quota."""
