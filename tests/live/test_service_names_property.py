"""File names through the whole service and back, with their bytes, or refused with a reason."""

from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.api.file_names import NAMES, REASONS, is_canonical
from tests.api.service import FORM, multipart
from tests.live.running_service_caller import Caller, StoredFile, stored_files

pytestmark = pytest.mark.docker

APPEND = """
import sys
with open(sys.argv[1], 'ab') as file:
    file.write(b'!')
"""

EXAMPLES = 30
"""About 10 s: every name that is one costs a sandbox."""


def post(caller: Caller, name: str, content: bytes) -> Any:
    """Upload with the name as RFC 5987 has it, which can say any."""
    disposition = "Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''"
    part = f"{disposition}{quote(name, safe='')}\r\n\r\n".encode() + content
    return caller.http.post("/upload", content=multipart(part), headers=FORM)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(name=NAMES, content=st.binary(max_size=64))
@example(name="Übersicht 2026/für alle (1).csv", content=b"a,b\r\n")
@example(name="main.py", content=b"# an input, and not the program")
@example(name=".hidden/.env", content=b"")
@example(name="-rf *", content=b"\0")
@example(name="/".join("abcdefghij"), content=b"ten levels")
@example(name="数" * 85, content=b"255 bytes")
@example(name="a\u202egnp.exe", content=b"disguised")
@example(name="../../etc/passwd", content=b"x")
def test_a_file_comes_back_by_its_name_with_its_bytes_or_is_refused_with_a_reason(
    caller: Caller, name: str, content: bytes
) -> None:
    uploaded = post(caller, name, content)
    if not is_canonical(name):
        assert uploaded.status_code == 400
        assert uploaded.json()["error"] in REASONS
        return
    assert uploaded.status_code == 200, uploaded.text
    body = uploaded.json()
    file = StoredFile(body["session_id"], body["files"][0]["fileId"], name)

    answer = caller.run(APPEND, file, args=[name])

    assert (answer["code"], answer["stderr"]) == (0, "")
    assert [entry["name"] for entry in answer["files"]] == [name]
    download = caller.http.get(stored_files(answer)[name].path)
    told = download.headers["content-disposition"].removeprefix("attachment; filename*=UTF-8''")
    assert unquote(told, errors="strict") == name
    assert download.content == content + b"!"
    assert caller.download(file) == content
