"""Tencent Cloud API 3.0 on loopback, whatever the product: requests signed with TC3, answers in one form."""
