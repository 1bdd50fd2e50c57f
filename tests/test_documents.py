"""What the documents promise exists."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PROMISE = re.compile(
    r"^\| S\d+ \| .+ \| \[`(?P<test>\w+)`\]\((?P<path>[\w/.]+)\) \|$", re.MULTILINE
)
NAMED_TEST = re.compile(r"\[`(?P<test>test_\w+)`\]\((?P<path>[\w/.]+)\)")
LINK = re.compile(r"\]\((?!https?:|#)(?P<path>[^)#]+)(?:#[^)]*)?\)")


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def test_every_promise_is_held_by_a_test_that_exists() -> None:
    promises = list(PROMISE.finditer((ROOT / "SECURITY.md").read_text(encoding="utf-8")))

    assert promises
    for promise in promises:
        assert promise["test"] in functions_of(ROOT / promise["path"]), promise["test"]


def test_every_test_that_security_names_exists() -> None:
    named = list(NAMED_TEST.finditer((ROOT / "SECURITY.md").read_text(encoding="utf-8")))

    assert named
    for each in named:
        assert each["test"] in functions_of(ROOT / each["path"]), each["test"]


def test_links_between_documents_lead_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]

    for document in documents:
        for link in LINK.finditer(document.read_text(encoding="utf-8")):
            assert (document.parent / link["path"]).exists(), f"{document.name}: {link['path']}"
