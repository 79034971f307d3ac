"""Brings an account to the state that serverless.yml describes, for those without the vendor's own tool."""
