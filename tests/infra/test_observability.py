"""Dashboard and alerts speak of figures that exist, and each alert says what to do."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from infra.local.config import CHECKOUT
from tests.api.exposed_figures import exposed_figures, shown

FOLDER = CHECKOUT / "infra" / "observability"
FIGURE = re.compile(r"\bcode_command_[a-z_]+")
LABEL = re.compile(r'(\w+)=~?"([^"]*)"')
OPERATIONS = (CHECKOUT / "docs" / "operations.md").read_text(encoding="utf-8")

ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
DASHBOARD: Any = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
QUERIES = [
    target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])
]


@pytest.fixture(scope="module")
def figures() -> str:
    return exposed_figures()


def label_names(figures: str) -> set[str]:
    return set(re.findall(r'[{,](\w+)="', figures))


def expressions() -> Iterator[str]:
    yield from (alert["expr"] for alert in ALERTS)
    yield from QUERIES


def test_every_figure_that_is_asked_for_is_there(figures: str) -> None:
    asked = {name for text in expressions() for name in FIGURE.findall(text)}

    assert asked
    assert asked - shown(figures) == set()


def test_every_label_that_is_asked_for_is_there(figures: str) -> None:
    known = label_names(figures) | {"job", "instance"}
    asked = {name for text in expressions() for name, _ in LABEL.findall(text)}
    grouped = re.compile(r"\bby \(([\w, ]+)\)")
    asked |= {
        name.strip()
        for text in expressions()
        for names in grouped.findall(text)
        for name in names.split(",")
    }

    assert asked - known == set()


def test_every_figure_of_ours_is_on_the_dashboard(figures: str) -> None:
    asked = {name for text in QUERIES for name in FIGURE.findall(text)}

    families = set(re.findall(r"^# TYPE (code_command_\w+) ", figures, re.MULTILINE))
    forgotten = {
        name
        for name in families
        if not name.endswith("_created") and not any(each.startswith(name) for each in asked)
    }
    assert forgotten == set()


def test_every_figure_of_ours_is_described(figures: str) -> None:
    table = OPERATIONS.partition("## Figures")[2].partition("## Logs")[0]
    told = set(re.findall(r"`(\w+)`", table))
    told |= {f"executor_sandboxes{end}" for end in re.findall(r"`…(_\w+)`", table)}

    families = re.findall(r"^# TYPE code_command_(\w+) ", figures, re.MULTILINE)
    ours = {name for name in families if not name.endswith("_created")}
    assert ours - told == set()


def test_panels_do_not_lie_on_each_other_and_have_ids_of_their_own() -> None:
    cells = [
        (column, line)
        for panel in DASHBOARD["panels"]
        for place in [panel["gridPos"]]
        for column in range(place["x"], place["x"] + place["w"])
        for line in range(place["y"], place["y"] + place["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(column for column, _ in cells) < 24
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("text", [text for text in expressions() if " + " in text])
def test_a_sum_stands_though_a_term_of_it_has_no_series(text: str) -> None:
    """To Prometheus a sum with nothing is nothing, and nothing is above no threshold."""
    terms = text.partition(" > ")[0].split(" + ")

    assert [term for term in terms if not term.strip().endswith(" or vector(0))")] == []


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_has_a_paragraph_in_the_runbook(alert: dict[str, Any]) -> None:
    name = alert["alert"]
    paragraph = re.search(
        rf"^### {name}\n\n(.+?)(?=\n\n)", f"{OPERATIONS}\n\n", re.MULTILINE | re.DOTALL
    )

    assert alert["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"
    assert alert["annotations"]["summary"].endswith(".")
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert paragraph is not None
    assert len(paragraph[1]) > 100


def test_the_runbook_has_no_paragraph_of_an_alert_that_is_gone() -> None:
    alerts = OPERATIONS.partition("## Alerts")[2]

    assert re.findall(r"^### (\w+)", alerts, re.MULTILINE) == [
        alert["alert"] for alert in ALERTS
    ]


def test_links_within_the_runbook_lead_somewhere() -> None:
    headings = re.findall(r"^#{2,3} (.+)$", OPERATIONS, re.MULTILINE)
    slugs = {heading.lower().replace(" ", "-") for heading in headings}

    assert set(re.findall(r"\]\(#([\w-]+)\)", OPERATIONS)) - slugs == set()
