"""The routes. Each says what goes in and out; the work is done elsewhere."""
