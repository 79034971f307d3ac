"""Cloud Infinite on loopback: AILicenseRec, IDCardOCR and general OCR in front of the embedded recogniser."""
