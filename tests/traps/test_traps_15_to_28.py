"""Traps 15 to 28 of librechat-contract 8, against the running service."""

import io
import re
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from sandbox.supervisor.languages import LANGUAGES
from tests.live.running_service import RunningService, eventually
from tests.live.running_service_caller import Caller, StoredFile
from tests.traps.programs import PROGRAMS

pytestmark = pytest.mark.docker

BUCKET = "code-command"


def entry_of(caller: Caller, file: StoredFile, detail: str = "summary") -> Any:
    """Return the only entry of a session's listing."""
    (entry,) = caller.http.get(f"/files/{file.session_id}?detail={detail}").json()
    return entry


def error_of(caller: Caller, *names: str) -> tuple[int, Any]:
    """Ask for a run with files of these names; return the refusal."""
    file = caller.upload("a.txt", b"x")
    references = [{**file.reference, "name": name} for name in names]
    body = {"lang": "py", "code": "print(1)", "files": references}
    answer = caller.http.post("/exec", json=body)
    return answer.status_code, answer.json()


def test_trap_15_the_original_name_is_in_the_metadata(caller: Caller) -> None:
    """Read by the client's own parser in tests/e2e/test_clients.py."""
    file = caller.upload("in/data.csv", b"a,b\n")

    assert entry_of(caller, file, "full")["metadata"]["original-filename"] == "in/data.csv"


@pytest.mark.parametrize("detail", ["summary", "full"])
def test_trap_16_the_name_begins_with_the_ids(caller: Caller, detail: str) -> None:
    file = caller.upload("in/data.csv", b"a,b\n")

    assert entry_of(caller, file, detail)["name"] == f"{file.session_id}/{file.id}.csv"


def test_trap_17_the_time_is_that_of_the_upload_and_of_the_next_one(caller: Caller) -> None:
    """A `Date` of JavaScript's reads it in tests/e2e/test_librechat_server.py."""
    for _ in range(2):
        began_at = datetime.now(UTC)
        file = caller.upload("data.csv", b"a,b\n")
        ended_at = datetime.now(UTC)
        told = entry_of(caller, file)["lastModified"]

        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told)
        began_at = began_at.replace(microsecond=began_at.microsecond // 1000 * 1000)
        assert began_at <= datetime.fromisoformat(told) <= ended_at


def test_trap_18_a_session_has_nothing_of_one_whose_id_begins_like_its_own(
    service: RunningService, caller: Caller
) -> None:
    """No two ids of ours can be so; the bucket's keys can."""
    file = caller.upload("a.txt", b"x")
    (key,) = (key for key in service.stored() if file.id in key)
    foreign = key.replace(file.session_id, f"{file.session_id}-and-more")
    service.bucket.put_object(BUCKET, foreign, io.BytesIO(b"theirs"), 6)
    try:
        assert entry_of(caller, file)["id"] == file.id
        assert caller.http.get(f"/files/{file.session_id[:10]}").status_code == 400
        assert caller.http.delete(f"/sessions/{file.session_id}").status_code == 200
        assert key not in service.stored()
        assert foreign in service.stored()
    finally:
        service.bucket.remove_object(BUCKET, foreign)


def test_trap_19_unknown_and_expired_sessions_are_not_found(hurried_caller: Caller) -> None:
    file = hurried_caller.upload("a.txt", b"x")
    near = file.session_id[:-1] + ("a" if file.session_id[-1] != "a" else "b")

    def status(session: str) -> int:
        return hurried_caller.http.get(f"/files/{session}?detail=summary").status_code

    assert (status(file.session_id), status(near)) == (200, 404)
    eventually(lambda: status(file.session_id) != 200, "the session has expired")
    assert status(file.session_id) == 404
    assert hurried_caller.http.get(file.path).status_code == 404


def test_trap_20_a_key_and_a_token_together_are_fine(caller: Caller) -> None:
    answer = httpx.get(
        caller.http.base_url.join("/files/" + "A" * 21),
        headers={"X-API-Key": caller.key, "Authorization": "Bearer a.b.c"},
        trust_env=False,
    )

    assert answer.status_code == 404


def test_trap_21_no_scope_is_needed(caller: Caller) -> None:
    file = caller.upload("a.txt", b"x", kind="agent", id="agent_21")

    for path in (
        f"/files/{file.session_id}?detail=summary",
        f"/sessions/{file.session_id}/objects/{file.id}",
        file.path,
    ):
        assert caller.http.get(path).status_code == 200


def test_trap_22_a_key_in_the_body_is_in_no_log(
    service: RunningService, caller: Caller
) -> None:
    secret = "the-key-that-older-clients-send-along"
    caller.run("print(1)", apiKey=secret)
    caller.http.post("/exec", json={"lang": "cobol", "code": "1", "apiKey": secret})
    caller.http.post("/exec", content=f'{{"apiKey": "{secret}", "lang": '.encode())

    logs = [service.log(name) for name in ("api", "executor", "storage", "broker")]
    assert secret not in "".join([service.output, *logs])


@pytest.mark.parametrize(
    ("lang", "language"),
    [
        (name, language)
        for language, entry in LANGUAGES.items()
        for name in (language, language.upper(), *entry.aliases)
    ],
)
def test_trap_23_every_alias_and_upper_case_is_its_language(
    caller: Caller, lang: str, language: str
) -> None:
    assert caller.run(PROGRAMS[language], lang=lang)["stdout"] == "42\n"


def test_trap_24_arguments_are_separate(caller: Caller) -> None:
    answer = caller.run("import sys; print(sys.argv[1:])", args=["a b", "$HOME", ""])

    assert answer["stdout"] == "['a b', '$HOME', '']\n"


def test_trap_25_deleting_what_is_missing_is_a_404(caller: Caller) -> None:
    file = caller.upload("a.txt", b"x")
    answer = caller.http.delete(f"/files/{file.session_id}/{'A' * 21}")

    assert (answer.status_code, answer.json()["error"]) == (404, "File not found")


def test_trap_26_conflicting_destinations_are_refused_before_anything_runs(
    service: RunningService, caller: Caller
) -> None:
    first, second = caller.upload("a", b"x"), caller.upload("a/b", b"y")
    body = {"lang": "py", "code": "1", "files": [first.reference, second.reference]}
    service.rest()
    waiting = service.containers()
    answer = caller.http.post("/exec", json=body)
    twice = caller.http.post("/exec", json={**body, "files": [first.reference] * 2})

    assert answer.status_code == twice.status_code == 400
    assert 'conflicting destinations "a" and "a/b"' in answer.json()["message"]
    assert 'duplicate destination "a"' in twice.json()["message"]
    caller.run("1")
    service.rest()
    assert len(waiting - service.containers()) == 1, "of the three only the last took a sandbox"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("../x", "files[].name must not contain empty, current, or parent path segments"),
        ("/etc/x", "files[].name must be a relative path"),
        ("a//b", "files[].name must not contain empty, current, or parent path segments"),
        ("a/./b", "files[].name must not contain empty, current, or parent path segments"),
        ("a\\b", "files[].name contains invalid path characters"),
        ("a\0b", "files[].name contains invalid path characters"),
        ("", "files[].name must not be empty"),
    ],
)
def test_trap_27_paths_that_escape_are_refused(caller: Caller, name: str, text: str) -> None:
    status, body = error_of(caller, name)

    assert (status, body["error"]) == (400, text)


def test_trap_28_links_are_not_followed(caller: Caller) -> None:
    assert caller.run("ln -s /etc/passwd stolen.txt", lang="bash")["files"] == []
