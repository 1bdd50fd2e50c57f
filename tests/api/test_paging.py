"""Listings in pages (an addition to librechat-contract 2.5)."""

import re

import pytest
from litestar import Litestar
from litestar.testing import TestClient

Client = TestClient[Litestar]

NEXT = re.compile(r'<(?P<path>[^>]+)>; rel="next"')


@pytest.fixture
def session_id(client: Client) -> str:
    files = [("file", (f"{number}.csv", b"content")) for number in range(5)]
    return client.post("/upload", files=files).json()["session_id"]


def test_without_a_limit_everything_is_listed_at_once(client: Client, session_id: str) -> None:
    answer = client.get(f"/files/{session_id}")

    assert len(answer.json()) == 5
    assert "link" not in answer.headers


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize("detail", ["simple", "summary", "full", "normalized"])
def test_the_pages_are_the_whole_listing(
    client: Client, session_id: str, prefix: str, detail: str
) -> None:
    path = f"{prefix}/files/{session_id}?detail={detail}&kind=user"
    whole = client.get(path).json()
    pages: list[list[object]] = []

    answer = client.get(f"{path}&limit=2")
    while (link := NEXT.fullmatch(answer.headers.get("link", ""))) is not None:
        pages.append(answer.json())
        answer = client.get(link["path"])
    pages.append(answer.json())

    assert [len(page) for page in pages] == [2, 2, 1]
    assert [entry for page in pages for entry in page] == whole


def test_a_page_that_ends_with_the_session_names_no_other(
    client: Client, session_id: str
) -> None:
    answer = client.get(f"/files/{session_id}?limit=5")

    assert len(answer.json()) == 5
    assert "link" not in answer.headers


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "ten", "", "1.5", "٣", "1" * 5000])
def test_a_limit_is_a_number_from_1_to_1000(
    client: Client, session_id: str, limit: str
) -> None:
    answer = client.get(f"/files/{session_id}", params={"limit": limit})

    assert answer.status_code == 400
    assert answer.json()["message"] == "limit must be a number from 1 to 1000."


def test_after_a_file_that_is_gone_one_begins_again(client: Client, session_id: str) -> None:
    entries = client.get(f"/files/{session_id}?detail=full").json()
    client.delete(f"/files/{session_id}/{entries[1]['id']}")

    answer = client.get(f"/files/{session_id}?limit=2&after={entries[1]['id']}")

    assert answer.status_code == 400
    assert answer.json()["message"] == "after is no file of this session; begin again."
