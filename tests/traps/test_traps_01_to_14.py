"""Traps 1 to 14 of librechat-contract 8, against the running service."""

import re
from typing import Any
from urllib.parse import quote

import pytest

from tests.live.running_service_caller import Caller, StoredFile, stored_files

pytestmark = pytest.mark.docker

ID = re.compile(r"[A-Za-z0-9_-]{21}")

FIELDS = {"stdout", "stderr", "files", "code", "signal", "message", "status", "wall_time"}
"""What an answer has whatever became of the program."""


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
    """`Caller.run` lets nothing else pass."""
    answer = caller.run(code, lang="bash")

    assert (answer["code"], answer["signal"]) == code_and_signal
    assert answer.keys() >= FIELDS


def test_trap_08_so_is_one_that_took_too_long(hurried_caller: Caller) -> None:
    answer = hurried_caller.run("echo before; sleep 60", lang="bash")

    assert (answer["code"], answer["signal"], answer["status"]) == (None, "SIGKILL", "TO")
    assert (answer["stdout"], answer["message"]) == ("before\n", "Time limit exceeded")
    assert answer.keys() >= FIELDS


def test_trap_09_outputs_of_a_failed_run_are_kept(caller: Caller) -> None:
    answer = caller.run("import sys; open('a.txt', 'w').write('x'); sys.exit(3)")

    assert answer["code"] == 3
    assert caller.download(stored_files(answer)["a.txt"]) == b"x"


def test_trap_10_files_have_a_file_id_in_uploads_and_an_id_in_runs(caller: Caller) -> None:
    body = caller.http.post("/upload", files={"file": ("a.txt", b"x")}).json()
    (uploaded,) = body["files"]
    file = StoredFile(body["session_id"], uploaded["fileId"], uploaded["filename"])
    (listed,) = caller.run("1", file)["files"]

    assert uploaded.keys() == {"fileId", "filename"}
    assert (listed["id"], listed["name"]) == (uploaded["fileId"], uploaded["filename"])
    assert not {"fileId", "filename"} & listed.keys()


@pytest.mark.parametrize("route", ["/upload", "/upload/batch"])
def test_trap_11_uploads_name_their_session_twice(caller: Caller, route: str) -> None:
    body = caller.http.post(route, files={"file": ("a.txt", b"x")}).json()

    assert ID.fullmatch(body["session_id"])
    assert body["session_id"] == body["storage_session_id"]


def test_trap_12_uploads_say_success_or_partial_success(caller: Caller) -> None:
    good, bad = ("file", ("a.txt", b"x")), ("file", ("../b.txt", b"y"))
    one = caller.http.post("/upload", files=[good]).json()
    both = [good, ("file", ("b.txt", b"y"))]
    all_of_them = caller.http.post("/upload/batch", files=both).json()
    some = caller.http.post("/upload/batch", files=[good, bad]).json()
    none = caller.http.post("/upload/batch", files=[bad])

    assert one["message"] == all_of_them["message"] == "success"
    assert some["message"] == "partial_success"
    assert (some["succeeded"], some["failed"]) == (1, 1)
    assert [file["status"] for file in some["files"]] == ["success", "error"]
    assert (none.status_code, none.json()["message"]) == (400, "error")


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
    download = caller.http.get(stored_files(answer)[name].path)

    assert file.name == found["originalFilename"] == name
    assert answer["stdout"] == "a,b\n\n"
    assert [entry["name"] for entry in answer["files"]] == [name]
    disposition = download.headers["content-disposition"]
    assert disposition == f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    assert download.content == b"a,b\n"
