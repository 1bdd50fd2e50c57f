"""The memory of this host, as its kernel counts it; also where we are in a container of it."""

from pathlib import Path

MEMINFO = Path("/proc/meminfo")


def available_memory(source: Path = MEMINFO) -> int | None:
    """Return the bytes that programs can have without swapping; `None` if nobody says."""
    return _counted("MemAvailable", source)


def total_memory(source: Path = MEMINFO) -> int | None:
    """Return the bytes that there are; `None` if nobody says."""
    return _counted("MemTotal", source)


def _counted(name: str, source: Path) -> int | None:
    try:
        lines = source.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        field, _, value = line.partition(":")
        if field == name:
            return int(value.split()[0]) * 1024
    return None
