"""Runs programs in sandboxes, and keeps the files they leave behind."""
