"""Our resources, held against what the AWS provider of `required_providers` knows.

The provider cannot be had without its registry. terraform/aws_names.json holds the names of its
schema (terraform/extract_provider_names.py says where they come from).
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.outcomes import FAULTS
from executor.messages import FailureKind
from tests.api.exposed_figures import exposed_figures, labels_of, shown
from tests.infra.terraform.hcl import (
    EXAMPLES,
    IS_BLOCK,
    MODULES,
    Block,
    blocks,
    blocks_of_modules,
    entries,
    nested,
    read,
    references,
)

KNOWN: dict[str, Any] = json.loads(
    (Path(__file__).parent / "terraform" / "aws_names.json").read_text(encoding="utf-8")
)
NAMES: dict[str, Any] = KNOWN["names"]
META = {"count", "depends_on", "for_each", "lifecycle", "provider", "dynamic", IS_BLOCK}
OURS = [block for block in blocks_of_modules() if block.type.startswith("aws_")]
ALL = (*MODULES, *EXAMPLES)


def mistakes(body: dict[str, Any], known: dict[str, Any], where: str) -> Iterator[str]:
    """Yield what the provider would refuse: unknown names, and missing ones."""
    inner = [(name, block) for name, block in nested(body) if name not in META]
    said = {name for name in body if name not in META and not name.startswith("__")}
    given = said | {name for name, _ in inner}
    for name in given - set(known):
        yield f"{where}: {name} is unknown"
    for name in {name for name, argument in known.items() if argument["required"]} - given:
        yield f"{where}: {name} is missing"
    for name, block in inner:
        if name in known and "block" not in known[name]:
            yield f"{where}: {name} is no block"
        elif name in known:
            yield from mistakes(block, known[name]["block"], f"{where}.{name}")


@pytest.mark.parametrize(
    "block", OURS, ids=lambda block: f"{block.module.name}-{block.type}-{block.name}"
)
def test_the_provider_knows_every_argument_and_misses_none(block: Block) -> None:
    known = NAMES[f"{block.kind}.{block.type}"]["arguments"]

    assert list(mistakes(block.body, known, f"{block.type}.{block.name}")) == []


def test_a_wrong_name_and_a_missing_one_would_be_seen() -> None:
    known = NAMES["resource.aws_s3_bucket_lifecycle_configuration"]["arguments"]
    rule = {
        "id": "x",
        "state": "on",
        "expiration": [{"day": 1, IS_BLOCK: True}],
        IS_BLOCK: True,
    }

    found = set(mistakes({"rule": [rule]}, known, "it"))

    assert found == {
        "it: bucket is missing",
        "it.rule: state is unknown",
        "it.rule: status is missing",
        "it.rule.expiration: day is unknown",
    }


@pytest.mark.parametrize("module", ALL, ids=lambda module: module.name)
def test_what_is_read_of_a_resource_is_there(module: Path) -> None:
    there = {(block.kind, block.type, block.name) for block in blocks(module)}

    for kind, type_, name, attribute in references(module):
        assert (kind, type_, name) in there
        known = NAMES[f"{kind}.{type_}"]
        assert attribute in {*known["exports"], *known["arguments"]}, f"{type_}.{attribute}"


def test_the_names_are_those_of_the_provider_that_is_asked_for() -> None:
    (version,) = KNOWN["provider"]
    major, minor, _ = version.split(".")
    wanted = {
        provider["aws"]["version"].strip('"')
        for module in ALL
        for file in (read(module / "versions.tf"),)
        for terraform in file["terraform"]
        for provider in terraform.get("required_providers", ())
    }

    assert wanted == {f"~> {major}.{minor}"}


@pytest.mark.parametrize("module", ALL, ids=lambda module: module.name)
def test_every_input_and_output_says_what_it_is(module: Path) -> None:
    for name, body in (*entries(module, "variable"), *entries(module, "output")):
        assert len(body["description"]) > len('"a word"'), name
    for name, body in entries(module, "variable"):
        assert body.get("type"), name


@pytest.mark.parametrize("module", ALL, ids=lambda module: module.name)
def test_the_readme_names_every_input_and_output(module: Path) -> None:
    readme = (module / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(\w+)`", readme, re.MULTILINE))

    assert named == {
        name for section in ("variable", "output") for name, _ in entries(module, section)
    }


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_gives_modules_what_they_need_and_nothing_they_do_not_know(
    example: Path,
) -> None:
    for name, call in entries(example, "module"):
        module = (example / call["source"].strip('"')).resolve()
        variables = dict(entries(module, "variable"))
        given = set(call) - {"source", *META}
        assert given <= set(variables), name
        assert {each for each, body in variables.items() if "default" not in body} <= given, (
            name
        )


def test_what_an_example_reads_of_a_module_is_an_output_of_it() -> None:
    for example in EXAMPLES:
        calls = dict(entries(example, "module"))
        text = "".join(path.read_text(encoding="utf-8") for path in example.glob("*.tf"))
        for name, output in re.findall(r"module\.(\w+)(?:\[[^\]]*\])?\.(\w+)", text):
            module = (example / calls[name]["source"].strip('"')).resolve()
            assert output in dict(entries(module, "output")), f"{name}.{output}"


def test_the_metrics_that_are_collected_are_the_api_s() -> None:
    figures = exposed_figures()
    text = (MODULES[0].parent / "api" / "task.tf").read_text(encoding="utf-8")
    measured = re.findall(r'"(code_command_\w+)"\s+=\s+\[(?:"(\w+)")?\]', text)

    assert len(measured) >= 6
    for name, label in measured:
        assert name in shown(figures)
        assert not label or label in labels_of(figures, name)


def test_the_metrics_that_are_watched_are_collected() -> None:
    collected = (MODULES[0].parent / "api" / "task.tf").read_text(encoding="utf-8")
    for module in ("executors", "observability"):
        folder = MODULES[0].parent / module
        watched = {
            name
            for path in folder.glob("*.tf")
            for name in re.findall(r"code_command_\w+", path.read_text(encoding="utf-8"))
        }
        assert watched
        assert all(f'"{name}"' in collected for name in watched)


def test_the_faults_that_are_watched_are_ways_in_which_a_run_ends() -> None:
    text = (MODULES[0].parent / "observability" / "figures.tf").read_text(encoding="utf-8")
    (listed,) = re.findall(r"our_faults\s+=\s+\[([^\]]+)\]", text)

    known = {*FAULTS.values(), *(kind.value for kind in FailureKind), "error"}
    assert set(re.findall(r'"(\w+)"', listed)) <= known


def test_a_task_that_answers_is_not_replaced_for_what_is_away_behind_it() -> None:
    text = (MODULES[0].parent / "api" / "main.tf").read_text(encoding="utf-8")
    (matcher,) = re.findall(r'path\s+= "/health"\s+matcher\s+= "([\d,]+)"', text)
    (probe,) = re.findall(r'probe_api\.py"(.*)\]', text)

    assert set(matcher.split(",")) == {"200", "503"}
    assert "--alive" in probe
