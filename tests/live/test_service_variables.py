"""Python variables that are kept between runs, and workspaces with the other engine."""

from collections.abc import Iterator

import pytest

from tests.live.running_service import RunningService, running_service
from tests.live.running_service_caller import Caller

pytestmark = pytest.mark.docker

SETTINGS = {
    "EXECUTION_PROFILE": "both",
    "SANDBOX_ENGINE": "oci",
    "SANDBOX_POOL_SIZE": "1",
    "STATE_PERSISTENCE": "python",
}


@pytest.fixture(scope="module")
def with_variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("variables")
    with running_service(folder / "work", SETTINGS) as service:
        yield service


@pytest.fixture(scope="module")
def caller(with_variables: RunningService) -> Iterator[Caller]:
    with with_variables.caller() as caller:
        yield caller


def python(caller: Caller, code: str, hint: str) -> str:
    """Run a program that finds and leaves variables; return what it says."""
    answer = caller.run(code, runtime_session_hint=hint)
    return answer["stdout"] + answer["stderr"]


def test_variables_survive_where_asked(caller: Caller) -> None:
    said = python(
        caller,
        "import pandas as pd\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Point:\n    x: int\n"
        "def scaled(by):\n    return Point(p.x * by * factor)\n"
        "df = pd.DataFrame({'a': [1, 2]})\np = Point(3)\nfactor = 10\nsame = [p]\n",
        "kept",
    )
    assert said == ""

    said = python(
        caller,
        "factor = 2\nprint(scaled(5).x, df.a.sum(), same[0] is p, isinstance(p, Point))\n"
        "print(pd.__name__)",
        "kept",
    )

    assert said == "30 3 True True\npandas\n"


def test_a_program_that_fails_leaves_what_it_had(caller: Caller) -> None:
    python(caller, "a = 1\nb = 2\ndel a\nraise ValueError", "failed")

    assert python(caller, "print(b, 'a' in globals())", "failed") == "2 False\n"


def test_what_cannot_be_kept_is_named(caller: Caller) -> None:
    said = python(
        caller, "import sqlite3, threading\ndb = sqlite3.connect(':memory:')\nok = 1", "named"
    )

    assert said == (
        "[sandbox] variables not kept for the next run:"
        " db (cannot pickle 'sqlite3.Connection' object)\n"
    )
    assert python(caller, "print(ok, 'db' in globals())", "named") == "1 False\n"


def test_other_languages_and_files_do_not_disturb_them(caller: Caller) -> None:
    python(caller, "x = 5\nopen('f.txt', 'w').write('1')", "mixed")
    answer = caller.run("ls; cat f.txt", lang="bash", runtime_session_hint="mixed")

    assert answer["stdout"] == "f.txt\nscript.sh\n1"
    assert python(caller, "print(x, open('f.txt').read())", "mixed") == "5 1\n"


def test_without_a_hint_and_with_another_there_are_none(caller: Caller) -> None:
    python(caller, "x = 5", "mine")

    assert python(caller, "print('x' in globals())", "other") == "False\n"
    assert caller.run("print('x' in globals())")["stdout"] == "False\n"
