"""Traps 1 to 21 of librechat-contract 8, against the running service."""

import re
from typing import Any

import httpx
import pytest

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller, StoredFile, stored_files

pytestmark = pytest.mark.docker

ID = re.compile(r"[A-Za-z0-9_-]{21}")


def by_name(answer: Any) -> dict[str, Any]:
    return {file["name"]: file for file in answer["files"]}


def in_session(answer: Any, file: StoredFile) -> StoredFile:
    """Name a file as clients of 3.1.63 and 3.1.77 do: under the run's session."""
    return StoredFile(answer["session_id"], file.id, file.name)


def test_trap_01_every_id_has_21_characters(caller: Caller) -> None:
    file = caller.upload("a.txt", b"x")
    answer = caller.run("open('b.txt', 'w').write('y')", file)

    ids = [file.session_id, file.id, answer["session_id"]]
    ids += [entry[key] for entry in answer["files"] for key in ("id", "storage_session_id")]
    assert all(ID.fullmatch(found) for found in ids)


def test_trap_02_a_download_may_name_the_runs_session(caller: Caller) -> None:
    answer = caller.run("open('b.txt', 'w').write('y')")

    assert caller.download(stored_files(answer)["b.txt"]) == b"y"


def test_trap_03_an_input_is_found_under_the_session_of_the_run_that_had_it(
    caller: Caller,
) -> None:
    file = caller.upload("a.txt", b"what was uploaded")
    first = caller.run("print(1)", file)
    changed = caller.run("open('a.txt', 'w').write('changed')", file)

    code = "print(open('a.txt').read())"
    for run in (first, changed):
        assert caller.run(code, in_session(run, file))["stdout"] == "what was uploaded\n"
        assert caller.download(in_session(run, file)) == b"what was uploaded"


def test_trap_04_an_input_left_alone_is_listed_as_inherited(caller: Caller) -> None:
    file = caller.upload("a.txt", b"x")
    entry = by_name(caller.run("print(1)", file))["a.txt"]

    assert entry["inherited"] is True
    assert (entry["id"], entry["storage_session_id"]) == (file.id, file.session_id)


def test_trap_05_a_changed_input_is_new_and_not_inherited(caller: Caller) -> None:
    file = caller.upload("a.txt", b"x")
    answer = caller.run("open('a.txt', 'a').write('y')", file)
    entry = by_name(answer)["a.txt"]

    assert "inherited" not in entry
    assert entry["id"] != file.id
    assert entry["modified_from"] == {"id": file.id, "storage_session_id": file.session_id}
    assert caller.download(stored_files(answer)["a.txt"]) == b"xy"


def test_trap_06_a_change_of_the_same_length_and_time_is_a_change(caller: Caller) -> None:
    file = caller.upload("a.txt", b"one")
    code = """
import os
times = os.stat('a.txt')
open('a.txt', 'w').write('two')
os.utime('a.txt', ns=(times.st_atime_ns, times.st_mtime_ns))
"""
    assert "inherited" not in by_name(caller.run(code, file))["a.txt"]


def test_trap_07_a_read_only_input_stays_whatever_replaced_it(caller: Caller) -> None:
    file = caller.upload("a.txt", b"one", read_only="true")
    code = "import os; open('b', 'w').write('two'); os.replace('b', 'a.txt')"
    entry = by_name(caller.run(code, file))["a.txt"]

    assert (entry["inherited"], entry["id"]) == (True, file.id)
    assert caller.download(file) == b"one"


@pytest.mark.parametrize(
    ("code", "code_and_signal"),
    [
        ("exit 3", (3, None)),
        ("kill -9 $$", (None, "SIGKILL")),
        ("nosuchcommand", (127, None)),
    ],
)
def test_trap_08_a_failed_program_is_a_200(
    caller: Caller, code: str, code_and_signal: tuple[int | None, str | None]
) -> None:
    answer = caller.run(code, lang="bash")

    assert (answer["code"], answer["signal"]) == code_and_signal
    assert {"stdout", "stderr", "files", "message", "status", "wall_time"} <= answer.keys()


def test_trap_09_outputs_of_a_failed_run_are_kept(caller: Caller) -> None:
    answer = caller.run("import sys; open('a.txt', 'w').write('x'); sys.exit(3)")

    assert answer["code"] == 3
    assert caller.download(stored_files(answer)["a.txt"]) == b"x"


def test_traps_10_11_12_the_keys_and_words_of_uploads(caller: Caller) -> None:
    one = caller.http.post("/upload", files={"file": ("a.txt", b"x")}).json()
    parts = [("file", ("a.txt", b"x")), ("file", ("../b.txt", b"y"))]
    several = caller.http.post("/upload/batch", files=parts).json()

    assert one["message"] == "success"
    assert one["session_id"] == one["storage_session_id"]
    assert one["files"][0].keys() == {"fileId", "filename"}
    assert several["message"] == "partial_success"
    assert several["session_id"] == several["storage_session_id"]
    assert (several["succeeded"], several["failed"]) == (1, 1)


@pytest.mark.parametrize("file_first", [True, False])
def test_trap_13_fields_count_wherever_they_are(caller: Caller, *, file_first: bool) -> None:
    fields = [("kind", (None, "agent")), ("id", (None, "agent_13"))]
    file = [("file", ("a.txt", b"x"))]
    parts: Any = [*file, *fields] if file_first else [*fields, *file]
    stored = caller.http.post("/upload", files=parts).json()
    path = f"/download/{stored['session_id']}/{stored['files'][0]['fileId']}"

    assert caller.http.get(f"{path}?kind=agent&id=agent_13").status_code == 200
    assert caller.http.get(f"{path}?kind=agent&id=another").status_code == 403


@pytest.mark.parametrize("name", ["a/b/c.txt", "Übersicht 2026/für alle.csv", "日本/表 1.csv"])
def test_trap_14_names_survive_everywhere(caller: Caller, name: str) -> None:
    file = caller.upload(name, b"a,b\n")
    found = caller.http.get(f"/sessions/{file.session_id}/objects/{file.id}").json()
    answer = caller.run(f"print(open({name!r}).read())", file)

    assert file.name == found["originalFilename"] == name
    assert answer["stdout"] == "a,b\n\n"
    assert name in by_name(answer)


def test_traps_15_16_17_what_listings_say_of_a_file(caller: Caller) -> None:
    file = caller.upload("in/data.csv", b"a,b\n")
    for detail in ("full", "summary"):
        (entry,) = caller.http.get(f"/files/{file.session_id}?detail={detail}").json()

        assert entry["metadata"]["original-filename"] == "in/data.csv"
        assert entry["name"].startswith(f"{file.session_id}/{file.id}")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["lastModified"])


def test_traps_18_19_21_unknown_sessions_are_404_and_no_scope_is_needed(
    service: RunningService, caller: Caller
) -> None:
    file = caller.upload("a.txt", b"x")
    near = file.session_id[:-1] + ("a" if file.session_id[-1] != "a" else "b")

    assert caller.http.get(f"/files/{near}?detail=summary").status_code == 404
    assert caller.http.get(f"/files/{file.session_id[:10]}").status_code == 400
    assert caller.http.get(f"/files/{file.session_id}?detail=summary").status_code == 200
    keys = {key for key in service.stored() if file.session_id in key}
    assert all(f"/{file.session_id}/" in key for key in keys)


def test_trap_20_a_key_and_a_token_together_are_fine(caller: Caller) -> None:
    answer = httpx.get(
        caller.http.base_url.join("/files/" + "A" * 21),
        headers={"X-API-Key": caller.key, "Authorization": "Bearer a.b.c"},
        trust_env=False,
    )

    assert answer.status_code == 404
