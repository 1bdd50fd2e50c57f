"""What came of the cases, by runtime: kept in docs/security-cases.json, shown in SECURITY.md.

`SECURITY_RESULTS=docs/security-cases.json` makes a run of the suite note its outcomes there;
`python -m tests.security.table` writes the table from them.
"""

import json
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from typing import TypedDict

import pluggy
import pytest

from infra.local.config import CHECKOUT

RESULTS = CHECKOUT / "docs" / "security-cases.json"


class TestResult(TypedDict):
    """One test of a case."""

    test: str
    path: str
    passed: bool


Results = dict[str, dict[str, list[TestResult]]]
"""By runtime, by the number of the case (a string, as JSON has it)."""


def read_results(path: Path = RESULTS) -> Results:
    """Return what is kept; nothing where nothing is."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


class Recorder:
    """A pytest plugin that notes which cases passed."""

    def __init__(self, path: Path, runtime: str) -> None:
        self._path = path
        self._runtime = runtime
        self._cases: defaultdict[str, dict[tuple[str, str], bool]] = defaultdict(dict)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pluggy.Result[pytest.TestReport], None]:
        """Note an outcome; a test passes if its set-up, itself and its clean-up do."""
        outcome = yield
        report = outcome.get_result()
        path = item.path.relative_to(CHECKOUT).as_posix()
        test = (path, getattr(item, "originalname", item.name))
        for mark in item.iter_markers("case"):
            case = self._cases[str(mark.args[0])]
            case[test] = case.get(test, True) and report.passed

    def pytest_sessionfinish(self) -> None:
        """Replace what is kept of this runtime's cases by what was seen."""
        results = read_results(self._path)
        kept = results.setdefault(self._runtime, {})
        for number, tests in self._cases.items():
            kept[number] = [
                {"test": name, "path": path, "passed": passed}
                for (path, name), passed in sorted(tests.items())
            ]
        results[self._runtime] = dict(sorted(kept.items(), key=lambda case: int(case[0])))
        self._path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
