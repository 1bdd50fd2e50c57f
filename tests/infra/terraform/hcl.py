"""Reads our Terraform files, as data."""

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import hcl2

TERRAFORM = Path(__file__).resolve().parents[3] / "infra" / "terraform"
MODULES = sorted(path for path in (TERRAFORM / "modules").iterdir() if path.is_dir())
EXAMPLES = sorted(path for path in (TERRAFORM / "examples").iterdir() if path.is_dir())

IS_BLOCK = "__is_block__"
"""Set by the parser in what is a block; it keeps comments under such names too."""


class Block(NamedTuple):
    """A resource or a data source."""

    kind: str
    type: str
    name: str
    body: dict[str, Any]
    module: Path


@functools.cache
def read(path: Path) -> dict[str, Any]:
    """Parse one file."""
    with path.open(encoding="utf-8") as file:
        parsed: dict[str, Any] = hcl2.load(file)  # pyright: ignore[reportPrivateImportUsage]
    return parsed


def parsed(module: Path) -> Iterator[dict[str, Any]]:
    """Parse each file of a module."""
    for path in sorted(module.glob("*.tf")):
        yield read(path)


def unquoted(label: str) -> str:
    """Return a label without the quotes that the parser leaves."""
    return label.strip('"')


def entries(module: Path, section: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the body of each variable, output or module call."""
    for file in parsed(module):
        for entry in file.get(section, ()):
            for label, body in entry.items():
                if label != IS_BLOCK:
                    yield unquoted(label), body


def blocks(module: Path) -> Iterator[Block]:
    """Yield the resources and the data sources of a module."""
    for file in parsed(module):
        for kind in ("resource", "data"):
            for entry in file.get(kind, ()):
                for type_, named in entry.items():
                    for name, body in named.items():
                        if name != IS_BLOCK:
                            yield Block(kind, unquoted(type_), unquoted(name), body, module)


def blocks_of_modules() -> Iterator[Block]:
    """Yield those of all modules and examples."""
    for module in (*MODULES, *EXAMPLES):
        yield from blocks(module)


def nested(body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the blocks in a block, those that `dynamic` makes among them."""
    for name, value in body.items():
        if not (isinstance(value, list) and value and isinstance(value[0], dict)):
            continue
        for each in value:
            if IS_BLOCK not in each:
                continue
            if name == "dynamic":
                for label, dynamic in each.items():
                    if label != IS_BLOCK:
                        yield unquoted(label), dynamic["content"][0]
            else:
                yield name, each


def references(module: Path) -> Iterator[tuple[str, str, str, str]]:
    """Yield `(kind, type, name, attribute)` of what a module's expressions read."""
    pattern = re.compile(
        r"(?<![\w.])(?P<data>data\.)?(?P<type>aws_\w+)\.(?P<name>\w+)"
        r"(?:\[[^\]]*\])?\.(?P<attribute>\w+)"
    )
    for path in sorted(module.glob("*.tf")):
        for found in pattern.finditer(path.read_text(encoding="utf-8")):
            kind = "data" if found["data"] else "resource"
            yield kind, found["type"], found["name"], found["attribute"]
