"""File names through HTTP and back: what goes in comes out, or is refused with a reason."""

from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from tests.api.file_names import NAMES, REASONS, is_canonical
from tests.api.service import FORM, Service, make_client, make_service, multipart

Client = TestClient[Litestar]


def post(client: Client, disposition: str) -> Any:
    part = f'Content-Disposition: form-data; name="file"; {disposition}\r\n\r\nx'
    return client.post("/upload", content=multipart(part), headers=FORM)


def check_everywhere(client: Client, service: Service, answer: Any, name: str) -> None:
    """Hold what every route says the file is called against what it was uploaded as."""
    if not is_canonical(name):
        assert answer.status_code == 400
        assert answer.json()["error"] in REASONS
        return
    assert answer.status_code == 200, answer.text
    body = answer.json()
    (file,) = body["files"]
    session_id, file_id = body["session_id"], file["fileId"]
    (listed,) = client.get(f"/files/{session_id}?detail=full").json()
    (newest,) = client.get(f"/files/{session_id}?detail=normalized").json()
    described = client.get(f"/sessions/{session_id}/objects/{file_id}").json()
    reference = {"id": file_id, "session_id": session_id, "name": name}
    run = client.post("/exec", json={"lang": "py", "code": "1", "files": [reference]})
    assert run.status_code == 200, run.text
    (destination,) = service.dispatcher.requests.pop().inputs
    header = client.head(f"/download/{session_id}/{file_id}").headers["content-disposition"]
    assert header.isascii()
    assert header.isprintable()
    assert {
        file["filename"],
        listed["metadata"]["original-filename"],
        newest["name"],
        described["originalFilename"],
        destination.name,
        unquote(header.removeprefix("attachment; filename*=UTF-8''"), errors="strict"),
    } == {name}
    for key in (listed["name"], described["name"]):
        assert key.startswith(f"{session_id}/{file_id}")
        assert key.isascii()
        assert key.partition("/")[2].partition(".")[0] == file_id


@pytest.fixture(scope="module")
def used_service() -> Service:
    return make_service()


@pytest.fixture(scope="module")
def used_client(used_service: Service) -> Client:
    return make_client(used_service)


often = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@often
@given(name=NAMES)
@example("e\u0301.csv")
@example("a. ")
@example("trailing.")
@example(" leading")
@example("a\u202egnp.exe")
@example("100%.csv")
@example("100%41.csv")
def test_a_name_that_is_percent_encoded(
    used_client: Client, used_service: Service, name: str
) -> None:
    answer = post(used_client, f'filename="{quote(name, safe="/")}"')

    check_everywhere(used_client, used_service, answer, name)


@often
@given(name=NAMES)
@example("e\u0301.csv")
@example('a"b;c.csv')
def test_a_name_as_rfc_5987_has_it(
    used_client: Client, used_service: Service, name: str
) -> None:
    answer = post(used_client, f"filename=\"other\"; filename*=UTF-8''{quote(name, safe='')}")

    check_everywhere(used_client, used_service, answer, name)


@often
@given(
    name=NAMES.filter(lambda name: not set(name) & set('%"\\\r\n\0\x7f') and name.isprintable())
)
@example("données 数据/e\u0301 (1).csv")
@example("a. ")
@example("'single'")
def test_a_name_as_it_is(used_client: Client, used_service: Service, name: str) -> None:
    """Most clients escape nothing but quotes and line breaks."""
    answer = post(used_client, f'filename="{name}"')

    check_everywhere(used_client, used_service, answer, name)


@often
@given(raw=st.binary(max_size=60))
def test_a_header_of_any_bytes_is_a_name_or_a_bad_request(
    used_client: Client, raw: bytes
) -> None:
    part = b'Content-Disposition: form-data; name="file"; filename="' + raw + b'"\r\n\r\nx'

    answer = used_client.post("/upload", content=multipart(part), headers=FORM)

    assert answer.status_code in {200, 400, 413}
    if answer.status_code == 200:
        assert all(is_canonical(file["filename"]) for file in answer.json()["files"])
    else:
        assert isinstance(answer.json()["error"], str)
