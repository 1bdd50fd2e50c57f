"""How often a client may do something: `20/30s` and what it means."""

import re
from collections.abc import Mapping
from typing import NamedTuple

BUCKETS = ("exec", "upload", "download", "list")
"""What is counted apart (librechat-contract 6.2)."""

OFF = "off"
"""Takes the place of a rate where nothing is counted."""

MAX_REQUESTS = 10_000
"""The time of every request counted is kept, 8 bytes or more each: beyond this, `off` is
meant."""

MAX_WINDOW_S = 24 * 60 * 60

_RATE = re.compile(r"([0-9]{1,9})/([0-9]{0,9})([smhd])")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Rate(NamedTuple):
    """So many requests, in any time of that length."""

    requests: int
    """At least 1."""
    window_s: int
    """At least 1."""

    def __str__(self) -> str:
        """Write it as `parse_rate` reads it."""
        return f"{self.requests}/{self.window_s}s"


def check_rates(rates: Mapping[str, str]) -> None:
    """Look whether these can be the limits of a key, by bucket.

    Raises:
        ValueError: A bucket is none, or its rate cannot be read. Nothing is quoted.
    """
    for bucket, rate in rates.items():
        if bucket not in BUCKETS:
            raise ValueError(f"limits are for {', '.join(BUCKETS)}")
        parse_rate(rate)


def parse_rate(text: str) -> Rate | None:
    """Read `20/30s`, `30/5m`, `60/m`, `1000/h` or `500/1d`; `None` is `off`: no limit.

    Raises:
        ValueError: It is none of these, or out of range. The message says how to write one and
            does not quote `text`.
    """
    written = text.strip().lower()
    if written == OFF:
        return None
    match = _RATE.fullmatch(written)
    if match is None:
        raise ValueError(
            "a rate is written as requests per time, such as `20/30s`, `30/5m` or `1000/h`"
            " (s, m, h, d), or as `off`"
        )
    requests, window_s = int(match[1]), int(match[2] or 1) * _UNITS_S[match[3]]
    if not 1 <= requests <= MAX_REQUESTS:
        raise ValueError(f"a rate allows 1 to {MAX_REQUESTS} requests; `off` lifts it")
    if not 1 <= window_s <= MAX_WINDOW_S:
        raise ValueError("a rate's time is 1 second to 1 day")
    return Rate(requests, window_s)
