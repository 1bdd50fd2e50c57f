"""Keeps bytes and the records about them, in S3-compatible storage."""
