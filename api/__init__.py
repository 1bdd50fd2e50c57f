"""The HTTP face: who is calling, what they may ask, and what they are told."""
