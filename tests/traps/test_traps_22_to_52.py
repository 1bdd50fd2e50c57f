"""Traps 22 to 52 of librechat-contract 8, against the running service."""

import re
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from sandbox.supervisor.languages import LANGUAGES
from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller, StoredFile, stored_files

pytestmark = pytest.mark.docker

NOT_SERVED = {29, 30, 31, 32, 33, 34, 35, 36, 50}
"""They are about programmatic tool calling alone."""

ELSEWHERE = {52: "e2e/test_client_errors.py"}
"""Shown with the client itself, by a test that names the trap."""

IDLE_S = 6.0
"""More than the 5 s of trap 42."""


def error_of(caller: Caller, *names: str, **more: Any) -> tuple[int, Any]:
    """Ask for a run with files of these names; return the refusal."""
    file = caller.upload("a.txt", b"x")
    references = [{**file.reference, "name": name} for name in names]
    body = {"lang": "py", "code": "print(1)", "files": references, **more}
    answer = caller.http.post("/exec", json=body)
    return answer.status_code, answer.json()


def test_every_trap_has_its_test() -> None:
    folder = Path(__file__).parent
    text = "".join(file.read_text() for file in folder.glob("test_*.py"))
    named = {
        int(number)
        for name in re.findall(r"^def test_traps?_((?:\d\d_)+)", text, re.MULTILINE)
        for number in name.split("_")
        if number
    }
    for number, file in ELSEWHERE.items():
        assert f"Trap {number}" in (folder.parent / file).read_text()

    assert named | NOT_SERVED | ELSEWHERE.keys() == set(range(1, 53))
    assert not named & NOT_SERVED


def test_what_is_not_served_is_not_pretended(caller: Caller) -> None:
    answer = caller.http.post("/exec/programmatic", json={"code": "1", "tools": []})

    assert NOT_SERVED
    assert (answer.status_code, answer.json()["error"]) == (404, "Not found")


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
    "lang",
    ["py", "PYTHON", "js", "JavaScript", "bun", "node", "ts", "typescript", "sh", "Bash"],
)
def test_trap_23_aliases_and_upper_case(caller: Caller, lang: str) -> None:
    code = {"p": "print(42)", "b": "echo 42", "s": "echo 42"}.get(lang[0].lower())
    if code is None or lang == "bun":
        code = "console.log(42)"

    assert caller.run(code, lang=lang)["stdout"] == "42\n"


def test_trap_24_arguments_are_separate(caller: Caller) -> None:
    answer = caller.run("import sys; print(sys.argv[1:])", args=["a b", "$HOME", ""])

    assert answer["stdout"] == "['a b', '$HOME', '']\n"


def test_trap_25_deleting_what_is_missing_is_a_404(caller: Caller) -> None:
    file = caller.upload("a.txt", b"x")
    answer = caller.http.delete(f"/files/{file.session_id}/{'A' * 21}")

    assert (answer.status_code, answer.json()["error"]) == (404, "File not found")


def test_trap_26_conflicting_destinations_are_refused_before_anything_runs(
    caller: Caller,
) -> None:
    first, second = caller.upload("a", b"x"), caller.upload("a/b", b"y")
    body = {"lang": "py", "code": "1", "files": [first.reference, second.reference]}
    answer = caller.http.post("/exec", json=body)
    twice = caller.http.post("/exec", json={**body, "files": [first.reference] * 2})

    assert answer.status_code == twice.status_code == 400
    assert 'conflicting destinations "a" and "a/b"' in answer.json()["message"]
    assert 'duplicate destination "a"' in twice.json()["message"]


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


def test_traps_39_47_bash_has_python_and_jq_and_speaks_english(caller: Caller) -> None:
    code = "python3 - <<'E'\nprint(6 * 7)\nE\njq --version; cat /nope"
    answer = caller.run(code, lang="bash")

    assert answer["stdout"].startswith("42\njq-")
    assert "No such file or directory" in answer["stderr"]


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


def test_traps_44_45_downloads_are_not_encoded_and_can_be_asked_about(caller: Caller) -> None:
    file = caller.upload("a.txt", b"x" * 5000)
    headers = {"Accept-Encoding": "gzip"}
    got = caller.http.get(file.path, headers=headers)
    asked = caller.http.head(file.path, headers=headers)

    for answer in (got, asked):
        assert answer.status_code == 200
        assert "content-encoding" not in answer.headers
        assert answer.headers["content-length"] == "5000"
    assert asked.content == b""


@pytest.mark.parametrize("path", ["//exec", "/v1//exec", "/v1/exec/", "/exec/"])
def test_trap_46_slashes_may_be_doubled_and_trail(caller: Caller, path: str) -> None:
    url = f"{str(caller.http.base_url).rstrip('/')}{path}"
    answer = caller.http.post(url, json={"lang": "bash", "code": "echo 42"})

    assert answer.json()["stdout"] == "42\n"


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
