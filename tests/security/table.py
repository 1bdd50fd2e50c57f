"""Writes the table of all cases into SECURITY.md: `python -m tests.security.table`."""

import re
from collections.abc import Mapping

from infra.local.config import CHECKOUT
from tests.security.catalogue import CASES, DIFFERS_ON_GVISOR, LESS_ON_GVISOR, NOT_APPLICABLE
from tests.security.results import Results, TestResult, read_results

DOCUMENT = CHECKOUT / "SECURITY.md"
BEGIN, END = "<!-- cases -->", "<!-- /cases -->"
RUNTIMES = ("runc", "runsc")


def table(results: Results) -> str:
    """Return the rows: every case, its tests, and what came of it on each runtime."""
    lines = [
        "| | what is tried | held by | runc | runsc |",
        "|---:|---|---|---|---|",
    ]
    for number, title in CASES.items():
        if number in NOT_APPLICABLE:
            reason = NOT_APPLICABLE[number]
            lines.append(f"| {number} | {title} | not applicable: {reason} | | |")
            continue
        seen = [results.get(runtime, {}).get(str(number), []) for runtime in RUNTIMES]
        tests = {(test["path"], test["test"]) for tests in seen for test in tests}
        links = "<br>".join(f"[`{name}`]({path})" for path, name in sorted(tests))
        outcomes = " | ".join(_outcome(tests) for tests in seen)
        if number in DIFFERS_ON_GVISOR:
            outcomes = f"{_outcome(seen[0])} | differs: {DIFFERS_ON_GVISOR[number]}"
        elif number in LESS_ON_GVISOR:
            outcomes = f"{_outcome(seen[0])} | {LESS_ON_GVISOR[number]}"
        lines.append(f"| {number} | {title} | {links} | {outcomes} |")
    return "\n".join(lines)


def with_table(document: str, results: Results) -> str:
    """Return the document with its table written anew.

    Raises:
        ValueError: The place for it is not there, once.
    """
    pattern = re.compile(f"{BEGIN}.*?{END}", re.DOTALL)
    if len(pattern.findall(document)) != 1:
        raise ValueError(f"there is not one pair of {BEGIN} and {END}")
    return pattern.sub(lambda _: f"{BEGIN}\n{table(results)}\n{END}", document)


def _outcome(tests: list[TestResult]) -> str:
    if not tests:
        return "not tried"
    failed = [test["test"] for test in tests if not test["passed"]]
    return f"**failed**: {', '.join(failed)}" if failed else "passed"


def untried(results: Mapping[str, Mapping[str, object]], runtime: str) -> list[int]:
    """Return the numbers of the applicable cases that nobody has tried on a runtime."""
    tried = results.get(runtime, {})
    return [n for n in CASES if n not in NOT_APPLICABLE and str(n) not in tried]


if __name__ == "__main__":
    text = with_table(DOCUMENT.read_text(encoding="utf-8"), read_results())
    DOCUMENT.write_text(text, encoding="utf-8")
