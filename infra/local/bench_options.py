"""The options of `bench`. Needs the standard library only: see `__main__`."""

import argparse
from dataclasses import dataclass

ENGINES = ("docker", "oci", "both")


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """What is to be measured, and where the figures go."""

    is_short: bool = False
    engine: str = "docker"
    """One of `ENGINES`."""
    only: tuple[str, ...] = ()
    """Names of cases; empty: all."""
    url: str = ""
    """Of a service that runs already; empty: the bench starts its own."""
    key: str = ""
    output: str = ""
    """Folder for JSON and chart; empty: a new one below the system's folder for such things."""
    write_docs: bool = False
    rewrite_docs: bool = False
    """Measure nothing; write the documents from the figures that are kept."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--short", action="store_true", help="a part of it, in a minute")
    parser.add_argument(
        "--engine", choices=ENGINES, default="docker", help="what makes the sandboxes"
    )
    parser.add_argument(
        "--only",
        metavar="CASE",
        action="append",
        default=[],
        help="measure this one; may be given again. A wrong name lists all",
    )
    parser.add_argument(
        "--url", default="", help="measure a service that runs already (some cases cannot)"
    )
    parser.add_argument("--key", default="", help="its API key")
    parser.add_argument("--output", default="", metavar="FOLDER", help="for JSON and chart")
    parser.add_argument(
        "--write-docs",
        action="store_true",
        help="write the figures into docs/benchmarks.md and README.md",
    )
    parser.add_argument(
        "--rewrite-docs",
        action="store_true",
        help="measure nothing: write both from docs/benchmarks/*.json, with new reasons",
    )


def read_options(given: argparse.Namespace) -> BenchOptions:
    """Return what was given."""
    return BenchOptions(
        is_short=given.short,
        engine=given.engine,
        only=tuple(given.only),
        url=given.url,
        key=given.key,
        output=given.output,
        write_docs=given.write_docs,
        rewrite_docs=given.rewrite_docs,
    )
