"""Health probes: scripts of the service image, each run by its path."""
