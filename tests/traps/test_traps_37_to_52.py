"""Traps 37 to 52 of librechat-contract 8, against the running service."""

import time
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest

from sandbox.supervisor.languages import LANGUAGES
from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller, StoredFile, stored_files

pytestmark = pytest.mark.docker

IDLE_S = 6.0
"""More than the 5 s of trap 42."""


def test_trap_37_texts_of_several_lines_stay_as_they_are(caller: Caller) -> None:
    code = 'import matplotlib\nprint("""a\nb""")\n'

    assert caller.run(code)["stdout"] == "a\nb\n"


def test_trap_38_each_shown_figure_is_one_file(caller: Caller) -> None:
    code = """
import matplotlib.pyplot as plt
for _ in range(2):
    plt.figure(); plt.plot([1, 2]); plt.show()
plt.figure(); plt.plot([2, 1]); plt.savefig('own.png'); plt.show()
"""
    names = {file["name"] for file in caller.run(code)["files"]}

    assert names == {"plot_1.png", "plot_2.png", "own.png"}


def test_trap_39_bash_has_python_and_jq(caller: Caller) -> None:
    code = "python3 - <<'E'\nprint(6 * 7)\nE\njq --version"
    answer = caller.run(code, lang="bash")

    assert answer["stdout"].startswith("42\njq-")
    assert answer["stderr"] == ""


def test_trap_40_too_much_output_is_told_as_that(caller: Caller) -> None:
    answer = caller.run("yes | head -c 1000000", lang="bash")

    assert (answer["status"], answer["signal"]) == ("OL", "SIGKILL")
    assert answer["message"] == "stdout length exceeded"
    assert answer["stderr"].endswith("[sandbox] stdout length exceeded\n")
    assert len(answer["stdout"]) == 65_536


def test_trap_41_an_answer_is_plain_json_with_a_length(caller: Caller) -> None:
    answer = caller.http.post("/exec", json={"lang": "bash", "code": "true"})

    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.content.startswith(b"{")


def test_trap_42_an_idle_connection_is_kept(service: RunningService) -> None:
    with closing(HTTPConnection("127.0.0.1", service.port, timeout=30)) as connection:
        connection.connect()
        kept = connection.sock
        for pause_s in (0, IDLE_S):
            time.sleep(pause_s)  # Nothing is waited for: that nothing happens is the point.
            connection.request("GET", "/health")
            answer = connection.getresponse()
            assert (answer.status, bool(answer.read())) == (200, True)
            assert connection.sock is kept


def test_trap_43_empty_files_go_in_and_out(caller: Caller) -> None:
    file = caller.upload("empty.txt", b"")
    answer = caller.run("open('new.txt', 'w'); print(len(open('empty.txt').read()))", file)

    assert answer["stdout"] == "0\n"
    assert caller.download(stored_files(answer)["new.txt"]) == b""
    assert caller.download(file) == b""


def test_trap_44_downloads_are_not_encoded(caller: Caller) -> None:
    file = caller.upload("a.txt", b"x" * 5000)
    answer = caller.http.get(file.path, headers={"Accept-Encoding": "gzip"})

    assert "content-encoding" not in answer.headers
    assert answer.headers["content-length"] == "5000"
    assert answer.content == b"x" * 5000


def test_trap_45_downloads_can_be_asked_about(caller: Caller) -> None:
    file = caller.upload("a.txt", b"x" * 5000)
    asked, got = caller.http.head(file.path), caller.http.get(file.path)

    assert (asked.status_code, asked.content) == (200, b"")
    for name in ("content-length", "content-type", "content-disposition"):
        assert asked.headers[name] == got.headers[name]


@pytest.mark.parametrize("path", ["//exec", "/v1//exec", "/v1/exec/", "/exec/"])
def test_trap_46_slashes_may_be_doubled_and_trail(caller: Caller, path: str) -> None:
    url = f"{str(caller.http.base_url).rstrip('/')}{path}"
    answer = caller.http.post(url, json={"lang": "bash", "code": "echo 42"})

    assert answer.json()["stdout"] == "42\n"


def test_trap_47_messages_are_in_english(caller: Caller) -> None:
    answer = caller.run("cat /nope", lang="bash")

    assert answer["stderr"] == "cat: /nope: No such file or directory\n"


def test_trap_48_no_files_and_none_at_all_are_the_same(caller: Caller) -> None:
    for more in ({}, {"files": []}, {"files": None}):
        body: dict[str, Any] = {"lang": "bash", "code": "ls -A", **more}
        answer = caller.http.post("/exec", json=body).json()

        assert (answer["stdout"], answer["files"]) == ("script.sh\n", [])


def test_trap_49_an_empty_folder_is_there_in_the_next_turn(caller: Caller) -> None:
    made = caller.run("mkdir -p results/empty", lang="bash")
    marker = stored_files(made)["results/empty/.dirkeep"]
    answer = caller.run("test -d results/empty && echo there", marker, lang="bash")

    assert answer["stdout"] == "there\n"


def test_trap_51_only_inputs_that_are_gone_are_deleted_files(caller: Caller) -> None:
    files = caller.upload_all({"in/a.txt": b"1", "in/b.txt": b"2"})
    code = "rm in/a.txt script.sh; echo x > c.txt; rm c.txt"
    answer = caller.run(code, *files, lang="bash")

    assert answer["deleted_files"] == ["in/a.txt"]
    assert [file["name"] for file in answer["files"]] == ["in/b.txt"]


def test_trap_52_over_the_limit_the_error_is_one_word(hurried_caller: Caller) -> None:
    """What the client makes of it is in tests/e2e/test_client_errors.py."""
    program = {"lang": "bash", "code": "true"}
    first, second = (hurried_caller.http.post("/exec", json=program) for _ in range(2))

    assert (first.status_code, second.status_code) == (200, 429)
    assert second.json()["error"] == "rate_limited"
    assert 1 <= second.json()["retry_after_seconds"] <= 30
    assert second.headers["retry-after"] == str(second.json()["retry_after_seconds"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_input_that_is_called_like_the_program_stays_an_input(
    caller: Caller, language: str
) -> None:
    """Not in the list, and as easily fallen into: the entry file lies among the inputs."""
    name = LANGUAGES[language].entry_file
    file = caller.upload(name, b"what was uploaded")
    answer = caller.run("", file, lang=language)

    assert [entry["name"] for entry in answer["files"]] == [name]
    assert caller.download(StoredFile(answer["session_id"], file.id, name)) == (
        b"what was uploaded"
    )
