"""What is kept of a run, and how it is shown."""

import json
from pathlib import Path

import pytest

from tests.bench.chart import chart_data
from tests.bench.documents import replaced
from tests.bench.reasons import missed
from tests.bench.reports import CaseReport, Report
from tests.bench.rows import Row, Unit, at_most, times_faster
from tests.bench.tables import markdown_table, text_table


def case(name: str, *ours: float, problem: str = "") -> CaseReport:
    row = Row(
        name=f"a {name}",
        unit=Unit.MS,
        ours=ours,
        baseline=(200.0, 240.0, 260.0),
        baseline_name="fresh run",
        targets=(at_most(12), times_faster(20)),
    )
    return CaseReport(
        name=name, rows=(row,) if ours else (), problem=problem, commit="abc", took_s=1.5
    )


MACHINE = {"processor": "some", "processors": "2"}
REPORT = Report(
    engine="docker",
    machine=MACHINE,
    cases=(case("hello", 10.0, 11.0, 12.0), case("bash", 30.0), case("csv", problem="no CSV")),
)


def test_a_report_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    REPORT.write(tmp_path / "new" / "docker.json")

    assert Report.read(tmp_path / "new" / "docker.json") == REPORT


def test_the_samples_of_a_series_are_in_one_line() -> None:
    text = REPORT.text()

    assert '"samples": [10.0, 11.0, 12.0]' in text
    assert json.loads(text)["cases"][0]["rows"][0]["ours"]["samples"] == [10, 11, 12]


def test_a_report_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "docker.json"
    path.write_text('{"format": 0}', encoding="utf-8")

    with pytest.raises(ValueError, match="has format 0"):
        Report.read(path)


def test_cases_that_were_measured_again_replace_the_old_ones_in_their_place() -> None:
    newer = Report(engine="docker", machine=MACHINE, cases=(case("load", 5), case("bash", 20)))

    updated = REPORT.updated(newer)

    assert [kept.name for kept in updated.cases] == ["hello", "bash", "csv", "load"]
    assert updated.cases[1] == newer.cases[1]
    assert updated.cases[0] == REPORT.cases[0]


def test_those_of_another_engine_do_not() -> None:
    with pytest.raises(ValueError, match="oci"):
        REPORT.updated(Report(engine="oci"))


def test_the_table_shows_figures_ratios_and_verdicts() -> None:
    lines = text_table(REPORT).splitlines()

    assert " ".join(lines[2].split()) == (
        "a hello 11 ms 11.9 3 240 ms 21.8\u00d7 ≤ 12 ms, ≥ 20\u00d7 faster met, met"
    )
    assert lines[3].endswith("missed, missed")


def test_the_table_names_what_was_not_measured() -> None:
    assert text_table(REPORT).endswith("NOT MEASURED  csv: no CSV")
    assert markdown_table(REPORT).endswith("- **Not measured:** csv: no CSV")


def test_rows_that_miss_a_target_are_found() -> None:
    assert [row.name for row in missed(REPORT)] == ["a bash"]


def test_the_chart_gets_medians_baselines_and_targets() -> None:
    data = chart_data([REPORT])

    assert data["rows"] == [
        {
            "name": "Python: print",
            "ours": {"docker": 11.0},
            "baseline": 240.0,
            "targets": {"docker": 12},
        },
        {
            "name": "bash",
            "ours": {"docker": 30.0},
            "baseline": 240.0,
            "targets": {"docker": 12},
        },
    ]


def test_with_two_engines_each_has_its_bar() -> None:
    other = Report(engine="oci", machine=MACHINE, cases=(case("hello", 8.0),))

    data = chart_data([REPORT, other])

    assert data["rows"][0]["ours"] == {"docker": 11.0, "oci": 8.0}
    assert data["rows"][1]["ours"] == {"docker": 30.0}
    assert set(data["labels"]) == {"docker", "oci"}


def test_text_between_markers_is_replaced_and_nothing_else() -> None:
    text = "before\n<!-- bench:figures -->\nold \\1\n<!-- /bench:figures -->\nafter\n"

    assert replaced(text, "figures", "new \\1") == text.replace("old", "new")


@pytest.mark.parametrize("text", ["", "<!-- bench:x --> <!-- /bench:x -->" * 2])
def test_markers_that_are_not_there_once_are_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="not one pair"):
        replaced(text, "x", "new")
