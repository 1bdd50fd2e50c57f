"""Media types, judged by names alone."""

import pytest

from storage.content_types import content_type_of


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("data.csv", "text/csv"),
        ("plot_1.png", "image/png"),
        ("reports/q1/Data.CSV", "text/csv"),
        ("notes.md", "text/markdown"),
        ("data.json", "application/json"),
        ("book.pdf", "application/pdf"),
        ("page.html", "text/html"),
        ("main.py", "text/x-python"),
        ("data.csv.gz", "application/gzip"),
        (
            "sheet.xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
        (
            "deck.pptx",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ),
        ("data:text/html,x.csv", "text/csv"),
        ("no-ending", "application/octet-stream"),
        (".dirkeep", "application/octet-stream"),
        ("what.is-this", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_the_ending_decides(name: str, expected: str) -> None:
    assert content_type_of(name) == expected
