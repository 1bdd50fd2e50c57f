"""All cases, in the order in which they are measured and shown."""

from collections.abc import Sequence
from itertools import groupby

from tests.bench import (
    case_big_file,
    case_burst,
    case_cold,
    case_csv,
    case_fair,
    case_hosts,
    case_load,
    case_memory,
    case_programmatic,
    case_scale,
    case_single,
    case_waiting,
)
from tests.bench.cases import Case

CASES: tuple[Case, ...] = (
    *case_single.CASES,
    *case_programmatic.CASES,
    *case_csv.CASES,
    *case_big_file.CASES,
    *case_load.CASES,
    *case_memory.CASES,  # After the load, which is when it counts.
    *case_scale.CASES,
    *case_fair.CASES,
    *case_waiting.CASES,  # Last of this service: what the crowd leaves behind disturbs nobody.
    *case_hosts.CASES,  # Needs no service but its own two hosts.
    *case_cold.CASES,
    *case_burst.CASES,
)


def chosen(
    names: Sequence[str], *, is_short: bool, of_others: bool, cases: Sequence[Case] = CASES
) -> list[Case]:
    """Return the cases to measure.

    Args:
        names: Those that were asked for; none means all that are usual.
        is_short: Leave out what takes long, unless it was asked for.
        of_others: Leave out what needs a service of our own.
        cases: To choose from.
    """
    return [
        case
        for case in cases
        if (case.name in names if names else case.in_short or not is_short)
        and not (of_others and case.needs_own)
    ]


def by_service(cases: Sequence[Case]) -> list[tuple[dict[str, str], list[Case]]]:
    """Put together what shares a service: settings, and the cases that want them."""
    groups = groupby(cases, key=lambda case: sorted(case.settings.items()))
    return [(dict(settings), list(group)) for settings, group in groups]
