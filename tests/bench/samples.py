"""Arithmetic of measured values: medians, percentiles, and one series against another."""

import math
from collections.abc import Sequence

TIMES = "\N{MULTIPLICATION SIGN}"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of `values` lie, interpolated.

    Raises:
        ValueError: There are no values, or `share` is not between 0 and 1.
    """
    if not values:
        raise ValueError("no values")
    if not 0 <= share <= 1:
        raise ValueError(f"not a share: {share}")
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def median(values: Sequence[float]) -> float:
    """Return the value in the middle."""
    return percentile(values, 0.5)


def rounded(value: float) -> float:
    """Keep what the noise of a machine leaves: three digits, and whole numbers whole."""
    if value == 0 or not math.isfinite(value):
        return value
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return round(value, digits)


def shown(value: float) -> str:
    """Write a value with three digits: `0.123`, `12.3`, `1234`."""
    return f"{rounded(value):.10g}"
