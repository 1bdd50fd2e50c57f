"""Case 44: names of uploads, in bytes that no library would send."""

import json
from typing import Any

import httpx
import pytest

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller, StoredFile

pytestmark = [pytest.mark.docker, pytest.mark.case(44)]

FORM = {"Content-Type": "multipart/form-data; boundary=b"}

LIST = """
import json, os
found = [os.path.join(folder, name) for folder, _, names in os.walk('.') for name in names]
print(json.dumps([os.path.relpath(path) for path in found]))
"""

REFUSED = [
    b'filename="../up.txt"',
    b'filename="a/../../up.txt"',
    b'filename="/etc/cron.d/x"',
    b'filename="//host/share"',
    b'filename="..\\\\..\\\\x"',
    b'filename="%2e%2e/up.txt"',
    b'filename="%2e%2e%2fup.txt"',
    b'filename="%2Fetc%2Fpasswd"',
    b'filename="nul\0.txt"',
    b'filename="nul%00.txt"',
    b'filename="line%0d%0aX-Evil: 1"',
    b'filename="bidi%E2%80%AEgnp.exe"',
    b'filename=""',
    b'filename="."',
    b'filename=".."',
    b'filename="a//b"',
    b'filename="folder/"',
    b'filename="' + b"n" * 10_000 + b'"',
    b'filename="' + b"n" * 256 + b'"',
    b'filename="' + b"d/" * 10 + b'x"',
    b"filename*=UTF-8''..%2Fup.txt",
    b"filename*=utf-8''%2e%2e",
    b"filename=\"good.txt\"; filename*=UTF-8''%2Fetc%2Fpasswd",
    b'filename="latin-\xe9.txt"',
    b'filename="half-\xed\xa0\x80"',
]
"""Content-Disposition parameters. Of a batch, the last two are no form at all."""

ODD = {
    b'filename="%252e%252e%252fup.txt"': "%2e%2e%2fup.txt",
    b'filename="C:\\\\Windows\\\\x"': "x",
    b"filename*=UTF-8''half-%ED%A0%80": "half-%ED%A0%80",
    b'filename="%ff%fe"': "%ff%fe",
    b"filename*=UTF-8''%ff": "%ff",
    b'filename="quote\\"d"': 'quote"d',
    b'filename=" "': " ",
    b'filename="-rf"': "-rf",
    b'filename="main.py"': "main.py",
    b'filename="_ptc_history.json"': "_ptc_history.json",
    b'filename="sitecustomize.py"': "sitecustomize.py",
    b'filename=".dirkeep"': ".dirkeep",
    b'filename="folder/.dirkeep"': "folder/.dirkeep",
}
"""What each is called in the end: odd names, and no more than names."""

CONFLICTS = (
    (b'filename="a.txt"', b'filename="a.txt"'),
    (b'filename="a.txt"', b"filename*=UTF-8''a.txt"),
    (b'filename="a.txt"', b'filename="%61.txt"'),
    (b'filename="a"', b'filename="a/b"'),
    (b'filename="a/b"', b'filename="a"'),
)


def post(caller: Caller, *parameters: bytes, path: str = "/upload/batch") -> httpx.Response:
    """Send one part for each, written by hand."""
    parts = [
        b'--b\r\nContent-Disposition: form-data; name="file"; %b\r\n\r\n%d' % (each, number)
        for number, each in enumerate(parameters)
    ]
    return caller.http.post(path, content=b"\r\n".join([*parts, b"--b--\r\n"]), headers=FORM)


def kept(answer: httpx.Response) -> list[StoredFile]:
    body = answer.json()
    return [
        StoredFile(body["session_id"], file["fileId"], file["filename"])
        for file in body["files"]
        if file.get("fileId")
    ]


def test_a_name_that_leads_elsewhere_is_refused_and_nothing_is_stored(
    target: RunningService, attacker: Caller
) -> None:
    before = target.stored()

    for path in ("/upload", "/upload/batch"):
        answers = {each[:60]: post(attacker, each, path=path) for each in REFUSED}
        statuses = {each: answer.status_code for each, answer in answers.items()}
        assert {each: status for each, status in statuses.items() if status != 400} == {}
        assert all(isinstance(answer.json(), dict) for answer in answers.values())
    assert target.stored() == before


def test_every_name_that_is_taken_is_a_file_of_the_next_run(attacker: Caller) -> None:
    answer = post(attacker, *ODD)

    assert answer.status_code == 200
    files = kept(answer)
    assert [file.name for file in files] == list(ODD.values())
    ran = attacker.run(LIST, *files)
    assert ran["code"] == 0, ran["stderr"]
    assert set(json.loads(ran["stdout"])) == {file.name for file in files} | {"main.py"}
    assert [attacker.download(file) for file in files] == [b"%d" % n for n in range(len(ODD))]


def test_two_that_cannot_lie_side_by_side_poison_no_later_run(attacker: Caller) -> None:
    for first, second in CONFLICTS:
        answer = post(attacker, first, second)

        assert answer.status_code == 200
        assert [file["status"] for file in answer.json()["files"]] == ["success", "error"]
        (file,) = kept(answer)
        assert set(json.loads(attacker.run(LIST, file)["stdout"])) == {file.name, "main.py"}
        assert post(attacker, first, second, path="/upload").status_code == 400


def test_names_that_only_look_alike_are_two_files(attacker: Caller) -> None:
    answer = post(
        attacker,
        b'filename="caf%C3%A9.txt"',
        b'filename="cafe%CC%81.txt"',
        b'filename="CAF%C3%89.txt"',
        b'filename="README"',
        b'filename="readme"',
    )

    files = kept(answer)
    assert len(files) == 5
    ran = attacker.run(LIST, *files)
    assert set(json.loads(ran["stdout"])) == {file.name for file in files} | {"main.py"}


def test_names_of_references_are_held_to_the_same(attacker: Caller) -> None:
    """A client may name an input as it likes; only the name of its upload counts."""
    file = attacker.upload("good.txt", b"1")
    answers: dict[str, int] = {}
    for name in ("../up", "/etc/passwd", "a\\b", "a\0b", "", ".", "a\nb", "x" * 300, "a/./b"):
        body: dict[str, Any] = {"lang": "py", "code": LIST}
        body["files"] = [file.reference | {"name": name}]
        answers[name] = attacker.http.post("/exec", json=body).status_code

    assert set(answers.values()) == {400}
    ran = attacker.run(LIST, StoredFile(file.session_id, file.id, "elsewhere.txt"))
    assert set(json.loads(ran["stdout"])) == {"good.txt", "main.py"}
