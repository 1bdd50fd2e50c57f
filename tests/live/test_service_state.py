"""Workspaces that are kept between runs, through HTTP on the whole service (contract 3.8)."""

import json
import os
import re
import signal
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

import pytest

from tests.live.lone_executor import lone_executor
from tests.live.running_service import RunningService, eventually, running_service
from tests.live.running_service_altered import lone_api
from tests.live.running_service_caller import Caller, stored_files

pytestmark = pytest.mark.docker

MIB = 1 << 20
SETTINGS = {
    "EXECUTION_PROFILE": "stateful",
    "STATE_SIZE_LIMIT": str(2 * MIB),
    "SANDBOX_POOL_SIZE": "1",
}


@pytest.fixture(scope="module")
def stateful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("stateful") / "work", SETTINGS) as service:
        yield service


@pytest.fixture(scope="module")
def caller(stateful: RunningService) -> Iterator[Caller]:
    with stateful.caller() as caller:
        yield caller


@pytest.fixture
def hint(request: pytest.FixtureRequest) -> str:
    """A workspace of the test's own."""
    return f"v2:user:{request.node.name[:60]}".translate(str.maketrans("[]", ".."))


def bash(caller: Caller, code: str, hint: str | None, *inputs: Any, **more: Any) -> Any:
    """Run a script that keeps the workspace `hint`."""
    named = {} if hint is None else {"runtime_session_hint": hint}
    return caller.run(code, *inputs, lang="bash", **named, **more)


def objects(service: RunningService) -> dict[str, str]:
    """Return the saved workspaces in the bucket: which version is under which key."""
    found = service.bucket.list_objects(service.bucket_name, recursive=True)
    return {
        str(item.object_name): f"{item.etag} {item.last_modified}"
        for item in found
        if "/states/" in str(item.object_name)
    }


class TestSurvival:
    def test_what_one_run_leaves_the_next_one_finds(self, caller: Caller, hint: str) -> None:
        first = bash(
            caller,
            "mkdir -p a/empty .hidden; echo kept > a/notes.txt; echo x > .hidden/x;"
            " ln -s a/notes.txt link; printf '#!/bin/sh\\necho ran' > run.sh; chmod 750 run.sh;"
            " touch -d '2020-02-02 02:02:02 UTC' a/notes.txt; echo 1 > 'sp ace é.txt'",
            hint,
        )
        second = bash(
            caller,
            "cat link; LC_ALL=C ls -A; ls -d a/empty; readlink link; ./run.sh;"
            " stat -c %a run.sh; date -u -r a/notes.txt +%FT%T; cat .hidden/x 'sp ace é.txt'",
            hint,
        )

        assert second["stderr"] == ""
        assert second["stdout"].split("\n") == [
            *("kept", ".hidden", "a", "link", "run.sh", "script.sh", "sp ace é.txt"),
            *("a/empty", "a/notes.txt", "ran", "750", "2020-02-02T02:02:02", "x", "1", ""),
        ]
        assert (first["runtime_status"], second["runtime_status"]) == ("new", "reused")
        assert re.fullmatch(r"rt_[0-9a-f]{40}", first["runtime_session_id"])
        assert first["runtime_session_id"] == second["runtime_session_id"]

    def test_files_are_told_of_when_they_are_new_or_changed_and_not_again(
        self, caller: Caller, hint: str
    ) -> None:
        def names(code: str) -> set[str]:
            return {file["name"] for file in bash(caller, code, hint)["files"]}

        assert names("echo 1 > a.csv; echo 1 > b.csv; mkdir e") == {
            *("a.csv", "b.csv", "e/.dirkeep")
        }
        assert names("true") == set()
        assert names("echo 2 > b.csv; rm a.csv") == {"b.csv"}
        assert names("ls") == set()

    def test_inputs_are_laid_over_it_and_stay_in_it(self, caller: Caller, hint: str) -> None:
        bash(caller, "echo old > data.csv; mkdir -p x; ln -s /tmp sub; echo 1 > x/y", hint)
        data, below = caller.upload_all({"data.csv": b"new\n", "sub/more.csv": b"more\n"})

        with_inputs = bash(caller, "cat data.csv sub/more.csv; ls /tmp", hint, data, below)
        later = bash(caller, "cat data.csv sub/more.csv x/y; test -L sub || echo dir", hint)

        assert with_inputs["stdout"] == "new\nmore\n"
        assert {file["name"] for file in with_inputs["files"] if file["inherited"]} == {
            *("data.csv", "sub/more.csv")
        }
        assert later["stdout"] == "new\nmore\n1\ndir\n"

    def test_programs_that_fail_or_are_stopped_leave_theirs_too(
        self, caller: Caller, hint: str
    ) -> None:
        bash(caller, "echo 1 > a.txt; exit 3", hint)
        stopped = bash(caller, "echo 2 > b.txt; yes", hint)

        assert stopped["status"] == "OL"
        assert bash(caller, "cat a.txt b.txt", hint)["stdout"] == "1\n2\n"

    def test_every_language_finds_the_same_one(self, caller: Caller, hint: str) -> None:
        named = {"runtime_session_hint": hint}
        caller.run("open('n.txt', 'w').write('41')", **named)
        caller.run(
            "require('fs').writeFileSync('n.txt', '' + (1 + +require('fs')"
            ".readFileSync('n.txt')))",
            lang="node",
            **named,
        )

        assert caller.run("print(open('n.txt').read())", **named)["stdout"] == "42\n"

    def test_variables_do_not_survive_unless_that_is_asked_for(
        self, caller: Caller, hint: str
    ) -> None:
        caller.run("x = 1", runtime_session_hint=hint)

        answer = caller.run("print('x' in globals())", runtime_session_hint=hint)

        assert answer["stdout"] == "False\n"


class TestPrivacy:
    def test_another_hint_user_or_tenant_is_another_workspace(
        self, stateful: RunningService, caller: Caller, hint: str
    ) -> None:
        bash(caller, "echo secret > mine.txt", hint)
        mine = bash(caller, "ls", hint)

        with stateful.caller("second") as foreign:
            others = [
                bash(caller, "ls", f"{hint}:2"),
                bash(foreign, "ls", hint),
                *(ask_as(caller, hint, user=user) for user in ("ann", "bob")),
            ]

        assert "mine.txt" in mine["stdout"]
        assert [answer["stdout"] for answer in others] == ["script.sh\n"] * 4
        assert {answer["runtime_status"] for answer in others} == {"new"}
        assert len({answer["runtime_session_id"] for answer in (mine, *others)}) == 5

    def test_a_workspace_is_no_session_and_no_file_of_any(
        self, stateful: RunningService, caller: Caller, hint: str
    ) -> None:
        bash(caller, "echo 1 > a.txt", hint)
        name = next(iter(objects(stateful))).rpartition("/")[2]

        for path in ("/files/states", f"/files/{name}", f"/download/states/{name[:21]}"):
            assert caller.http.get(path).status_code in {400, 404}

    def test_an_older_client_names_it_by_entity_where_its_user_is_known(
        self, caller: Caller, hint: str
    ) -> None:
        body = {"lang": "bash", "code": "echo 1 >> n; cat n", "entity_id": hint}
        ann = {"User-Id": "ann"}

        nobody = caller.http.post("/exec", json=body).json()
        first = caller.http.post("/exec", json=body, headers=ann).json()
        second = ask_as(caller, hint, user="ann", code="cat n")

        assert "runtime_session_id" not in nobody
        assert first["runtime_session_id"] == second["runtime_session_id"]
        assert second["stdout"] == "1\n"


def ask_as(caller: Caller, hint: str, *, user: str, code: str = "ls") -> Any:
    answer = caller.http.post(
        "/exec",
        json={"lang": "bash", "code": code, "runtime_session_hint": hint},
        headers={"User-Id": user},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


class TestProfiles:
    def test_it_says_what_it_is_and_serves_who_expects_that(self, caller: Caller) -> None:
        header = "X-CodeAPI-Expected-Profile"
        run = {"lang": "bash", "code": "true"}

        right = caller.http.post("/exec", json=run, headers={header: "stateful"})
        wrong = caller.http.post("/exec", json=run, headers={header: "default"})

        assert right.status_code == 200
        assert right.headers["x-codeapi-execution-profile"] == "stateful"
        assert wrong.status_code == 409
        assert wrong.json() == {
            "error": "execution_profile_mismatch",
            "message": "Expected the default execution profile, but reached stateful",
            "expected_profile": "default",
            "actual_profile": "stateful",
        }

    def test_without_a_name_nothing_is_kept(
        self, stateful: RunningService, caller: Caller
    ) -> None:
        before = objects(stateful)

        answer = bash(caller, "echo 1 > a.txt", None)

        assert "runtime_session_id" not in answer
        assert "runtime_status" not in answer
        assert objects(stateful) == before

    @pytest.mark.parametrize(
        ("hint", "error"),
        [
            (1, "runtime_session_hint must be a string"),
            ("x" * 129, "runtime_session_hint must be at most 128 characters"),
            (
                "a/b",
                'runtime_session_hint may only contain letters, digits, ".", "_", ":", and "-"',
            ),
        ],
    )
    def test_a_name_that_is_none_is_refused(
        self, caller: Caller, hint: object, error: str
    ) -> None:
        answer = caller.http.post(
            "/exec", json={"lang": "bash", "code": "true", "runtime_session_hint": hint}
        )

        assert (answer.status_code, answer.json()) == (400, {"error": error})

    def test_other_apis_on_the_same_executors_have_other_profiles(
        self, stateful: RunningService, caller: Caller, hint: str
    ) -> None:
        bash(caller, "echo 1 > a.txt", hint)
        run = {"lang": "bash", "code": "ls", "runtime_session_hint": hint}
        key = {"X-API-Key": caller.key}
        expects = "X-CodeAPI-Expected-Profile"

        with lone_api(stateful, {"EXECUTION_PROFILE": "default"}) as api:
            default = api.post("/exec", json=run, headers=key)
            invalid = api.post("/exec", json=run | {"runtime_session_hint": 1}, headers=key)
        with lone_api(stateful, {"EXECUTION_PROFILE": "both", "STATE_STRICT": "true"}) as api:
            both = api.post("/exec", json=run, headers=key)
            plain = api.post("/exec", json=run, headers=key | {expects: "default"})
            del run["runtime_session_hint"]
            unnamed = api.post("/exec", json=run, headers=key | {expects: "stateful"})

        for stateless in (default, plain):
            assert stateless.json()["stdout"] == "script.sh\n"
            assert "runtime_session_id" not in stateless.json()
            assert stateless.headers["x-codeapi-execution-profile"] == "default"
        assert invalid.status_code == 200
        assert both.json()["stdout"] == "a.txt\nscript.sh\n"
        assert both.headers["x-codeapi-execution-profile"] == "stateful"
        assert unnamed.json() == {"error": "runtime_session_hint is required in strict mode"}


class TestSaving:
    def test_nothing_is_stored_where_nothing_changed(
        self, stateful: RunningService, caller: Caller, hint: str
    ) -> None:
        data = caller.upload("data.csv", b"1\n")
        bash(caller, "echo 1 > a.txt; mkdir d; ln -s a.txt l", hint, data)
        saved = objects(stateful)

        bash(caller, "cat a.txt d/* l data.csv; echo 2 > t; rm t", hint)
        bash(caller, "cat data.csv", hint, data)
        caller.run("print(1)", runtime_session_hint=f"{hint}:empty")

        assert objects(stateful) == saved
        bash(caller, "chmod 700 a.txt", hint)
        assert objects(stateful) != saved

    def test_one_over_its_cap_is_not_saved_and_the_former_one_stays(
        self, caller: Caller, hint: str
    ) -> None:
        bash(caller, "echo 1 > a.txt", hint)

        large = bash(caller, f"echo 2 > a.txt; head -c {3 * MIB} /dev/zero > b.bin", hint)
        later = bash(caller, "cat a.txt; ls", hint)

        assert large["code"] == 0
        assert {file["name"] for file in large["files"]} == {"a.txt", "b.bin"}
        assert large["stderr"] == (
            f"\n[sandbox] the workspace was not saved: it is larger than {2 * MIB} bytes;"
            " remove some files. The next run finds it as it was before this one\n"
        )
        assert later["stdout"] == "1\na.txt\nscript.sh\n"

    def test_it_expires_as_sessions_do(
        self, stateful: RunningService, caller: Caller, hint: str
    ) -> None:
        before = objects(stateful)
        bash(caller, "echo 1 > a.txt", hint)
        (key,) = objects(stateful).keys() - before.keys()

        make_older(stateful, key, hours=23)
        assert bash(caller, "cat a.txt", hint)["runtime_status"] == "reused"
        make_older(stateful, key, hours=2)
        expired = bash(caller, "ls", hint)

        assert (expired["runtime_status"], expired["stdout"]) == ("new", "script.sh\n")

    def test_what_is_no_workspace_is_left_out_and_said(
        self, stateful: RunningService, caller: Caller, hint: str
    ) -> None:
        before = objects(stateful)
        bash(caller, "echo 1 > a.txt", hint)
        (key,) = objects(stateful).keys() - before.keys()
        head = {"saved_at": datetime.now(UTC).isoformat()}
        stateful.write_object(key, json.dumps(head).encode() + b"\n" + b"\xff" * 100)

        answer = bash(caller, "ls; echo 2 > b.txt", hint)

        assert (answer["runtime_status"], answer["stdout"]) == ("new", "script.sh\n")
        assert "[sandbox] the saved workspace could not be read" in answer["stderr"]
        assert bash(caller, "ls", hint)["stdout"] == "b.txt\nscript.sh\n"


def make_older(service: RunningService, key: str, *, hours: float) -> None:
    """Have a saved workspace say that it was saved earlier."""
    line, _, rest = service.read_object(key).partition(b"\n")
    head = json.loads(line)
    saved_at = datetime.fromisoformat(head["saved_at"]) - timedelta(hours=hours)
    line = json.dumps({**head, "saved_at": saved_at.isoformat()}).encode()
    service.write_object(key, line + b"\n" + rest)


class TestBusy:
    def test_a_second_run_at_the_same_time_is_told_so(
        self, stateful: RunningService, caller: Caller, hint: str
    ) -> None:
        stateful.rest()
        with ThreadPoolExecutor(1) as elsewhere, stateful.caller() as other:
            running = elsewhere.submit(bash, other, "sleep 4; echo 1 > a.txt", hint)
            eventually(lambda: len(stateful.containers()) > 1, "it runs")
            run = {"lang": "bash", "code": "true", "runtime_session_hint": hint}
            refused = caller.http.post("/exec", json=run)
            elsewhere_meanwhile = bash(caller, "echo 1", f"{hint}:other")
            running.result()

        assert refused.status_code == 409
        assert refused.json() == {
            "error": "runtime_session_busy",
            "message": "Runtime session is busy",
        }
        assert elsewhere_meanwhile["stdout"] == "1\n"
        assert bash(caller, "cat a.txt", hint)["stdout"] == "1\n"


class TestTwoExecutors:
    def test_a_conversation_goes_on_in_another_one_when_the_first_is_killed(
        self, stateful: RunningService, caller: Caller, hint: str
    ) -> None:
        first = bash(caller, "echo 1 > a.txt", hint)
        stateful.rest()
        with ThreadPoolExecutor(1) as elsewhere, lone_executor(stateful, "another") as another:
            name, running = begun_in_the_first(stateful, caller, elsewhere, hint)
            killed = stateful.child("executor")
            stateful.kill("executor")
            eventually(lambda: stateful.child("executor") not in {None, killed}, "it is back")
            with held_still(stateful.child("executor")):  # Before it can take the run itself.
                during = running.result()
            eventually(lambda: another.has_run(during["session_id"]), "the other one ran it")
            assert not another.has_run(first["session_id"])
            after = bash(caller, f"cat a.txt {name}", hint)
        assert (during["stdout"], during["runtime_status"]) == ("1\n2\n", "reused")
        assert after["stdout"] == "1\n1\n2\n"
        assert caller.download(stored_files(during)[name]) == b"1\n2\n"


@contextmanager
def held_still(pid: int | None) -> Generator[None, None, None]:
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def begun_in_the_first(
    service: RunningService, caller: Caller, elsewhere: ThreadPoolExecutor, hint: str
) -> tuple[str, Future[Any]]:
    """Have a program run in the service's own executor; return the file that it writes, and its
    answer to come."""
    for attempt in count():
        # What the other one has run meanwhile stays in the workspace: a name for each attempt.
        name = f"b{attempt}.txt"
        code = f"sleep 4; (cat a.txt; echo 2) | tee {name}"
        running = elsewhere.submit(bash, caller, code, hint)
        # Its own sandboxes are counted alone: one more than wait is one that is used.
        eventually(partial(is_used, service, running), "it runs")
        if not running.done():
            return name, running
    raise AssertionError


def is_used(service: RunningService, running: Future[Any]) -> bool:
    return len(service.containers()) > 1 or running.done()
