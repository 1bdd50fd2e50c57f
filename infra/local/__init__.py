"""One machine, no registry, no cloud: the commands behind `./code-command`."""
