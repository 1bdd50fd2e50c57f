"""The `Server-Timing` header: where the time of a run went, as the service says."""

import re
from collections.abc import Sequence

from tests.bench.samples import median, shown

_METRIC = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*((?:;[^,]*)?)\s*")
_DURATION = re.compile(r";\s*dur\s*=\s*\"?([0-9.]+)\"?", re.IGNORECASE)

STORAGE_STEPS = frozenset({"resolve", "open", "inputs", "outputs", "record"})
"""Names of the steps that are spent on object storage."""


def steps(header: str) -> dict[str, float]:
    """Return the milliseconds of each step, by its name; steps without a duration are none.

    A step that is named twice counts twice.
    """
    found: dict[str, float] = {}
    for metric in header.split(","):
        match = _METRIC.fullmatch(metric)
        duration = _DURATION.search(match[2]) if match else None
        if match and duration:
            found[match[1]] = found.get(match[1], 0.0) + float(duration[1])
    return found


def storage_ms(header: str) -> float | None:
    """Return what object storage took; `None` where the header does not say."""
    taken = [ms for name, ms in steps(header).items() if name in STORAGE_STEPS]
    return sum(taken) if taken else None


def typical_steps(headers: Sequence[str]) -> dict[str, str]:
    """Return the median of each step over several answers, in words."""
    parsed = [steps(header) for header in headers]
    names = dict.fromkeys(name for one in parsed for name in one)
    if not names:
        return {}
    medians = {name: median([one.get(name, 0.0) for one in parsed]) for name in names}
    return {"steps": ", ".join(f"{name} {shown(ms)}" for name, ms in medians.items()) + " ms"}
