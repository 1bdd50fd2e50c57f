"""Whatever arrives as JSON, the answer is a 4xx with a reason, never a 500."""

import tracemalloc
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from tests.api.service import Connection, Service, pieces

Client = TestClient[Litestar]

DEEP = 100_000


class TestMalformed:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b'{"lang": "py", "code": "1"',
            b'{"lang": "py", "code": "1"} x',
            b"{'lang': 'py'}",
            b'{"lang": "py", "code": NaN}',
            b'{"lang": "py", "code": "1", "x": Infinity}',
            b'{"lang": "py", "code": "\\ud800"}',
            b'{"lang": "py", "code": "\\ud800\\u0041"}',
            b'{"lang": "py", "code": "\xff\xfe"}',
            b'{"lang": "\xff", "code": "1"}',
            b'{"lang": "py", "code": "1", "files": [{"id": "\xff"}]}',
            b'{"lang": "py", "code": "1", "files": [{"\xff": 1}]}',
            b'{"lang": "py", "code": "a\nb"}',
            b'{"lang": "py", "code": "1", "args": ' + b"[" * DEEP + b"]" * DEEP + b"}",
            b'{"lang": "py", "code": "1", "x": ' + b"[" * DEEP + b"]" * DEEP + b"}",
            b'{"a":' * DEEP + b"1" + b"}" * DEEP,
            b'{"lang": "py", "code": ' + b"9" * 100_000 + b"}",
            b'{"lang": "py", "code": "1", "files": [' + b"9" * 100_000 + b"]}",
            b"\xef\xbb\xbf{}",
            b"--boundary\r\n",
        ],
    )
    def test_the_reason_is_told(self, client: Client, service: Service, body: bytes) -> None:
        answer = client.post("/exec", content=body)

        assert answer.status_code == 400
        assert 0 < len(answer.json()["error"]) < 300
        assert service.dispatcher.requests == []

    @pytest.mark.parametrize(
        "field", [b"1e999", b"9" * 5_000, b'"\\u0000"', b"[[[[]]]]", b'{"\\ud83d\\ude00": {}}']
    )
    def test_odd_values_in_unknown_fields_do_no_harm(
        self, client: Client, field: bytes
    ) -> None:
        body = b'{"lang": "py", "code": "1", "odd": ' + field + b"}"

        assert client.post("/exec", content=body).status_code == 200


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["lang", "code", "args", "files", "id", "name", "storage_session_id", "kind", "version"]
)


class TestArbitrary:
    @settings(
        max_examples=150,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(body=st.dictionaries(FIELDS, JSON), entry=st.dictionaries(FIELDS, JSON))
    def test_no_json_is_a_fault_of_ours(
        self, client: Client, body: dict[str, Any], entry: dict[str, Any]
    ) -> None:
        for more in ({}, {"lang": "py", "code": "1", "files": [entry]}):
            answer = client.post("/exec", json={**body, **more})
            assert answer.status_code < 500
            if answer.status_code != 200:
                assert isinstance(answer.json()["error"], str)

    @settings(
        max_examples=100,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(st.binary(max_size=200))
    def test_no_bytes_are_a_fault_of_ours(self, client: Client, body: bytes) -> None:
        assert client.post("/exec", content=body).status_code == 400


@pytest.mark.anyio
async def test_a_body_of_many_empty_lists_does_not_grow_in_memory(service: Service) -> None:
    """Built as Python lists, these 12 MB would take 280."""
    unknown = b"[" + b"[],[]," * 2_000_000 + b"[]]"
    body = b'{"lang": "py", "code": "1", "unknown": ' + unknown + b"}"
    connection = Connection(service.app, "POST", "/exec")

    tracemalloc.start()
    try:
        await connection.ask(pieces(body))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert connection.status == 200
    assert peak_bytes < 3 * len(body)
