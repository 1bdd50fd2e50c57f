"""The documents show what was measured, and nothing that somebody has typed."""

from pathlib import Path

from tests.bench import documents
from tests.bench.reports import CaseReport, Report
from tests.bench.rows import Row, Unit, at_most


def report(*cases: CaseReport, engine: str = "docker") -> Report:
    return Report(engine=engine, machine={"processors": "2"}, cases=cases)


def case(name: str, figure: float, target: float) -> CaseReport:
    row = Row(
        name=f"a {name}",
        unit=Unit.MS,
        ours=(figure,),
        baseline=(240.0,),
        baseline_name="fresh run",
        targets=(at_most(target),),
    )
    return CaseReport(name=name, rows=(row,), commit="abc", measured_at="2026-01-02T03:04:05")


def test_both_documents_hold_the_figures_that_are_kept() -> None:
    reports = documents.kept_reports()

    assert reports
    for path, name, content in (
        (documents.DOCUMENT, "figures", documents.document_figures(reports)),
        (documents.README, "summary", documents.readme_summary(reports)),
    ):
        text = path.read_text(encoding="utf-8")
        assert documents.replaced(text, name, content) == text, (
            f"{path.name}: ./code-command bench --rewrite-docs"
        )


def test_a_case_that_is_measured_again_is_replaced_and_the_others_are_kept(
    tmp_path: Path,
) -> None:
    documents.keep(report(case("hello", 10, 12), case("bash", 30, 20)), tmp_path)
    documents.keep(report(case("bash", 15, 20)), tmp_path)

    (kept,) = documents.kept_reports(tmp_path)
    assert [row.figure for one in kept.cases for row in one.rows] == [10, 15]


def test_the_readme_has_a_column_for_each_engine() -> None:
    summary = documents.readme_summary(
        [report(case("hello", 12, 12)), report(case("hello", 6, 12), engine="oci")]
    )

    assert summary.splitlines()[-1] == (
        "| Python: print | **12** (20\u00d7) | **6** (40\u00d7) | 240 |"
    )


def test_what_misses_its_target_is_listed_even_where_nobody_knows_why() -> None:
    figures = documents.document_figures([report(case("hello", 10, 12), case("bash", 30, 20))])

    assert "- **a bash**: not looked into yet." in figures
    assert "- **a hello**" not in figures
