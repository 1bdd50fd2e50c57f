"""Ids: LibreChat's download route refuses any other shape (librechat-contract 2.0)."""

import re

import pytest

from storage.ids import is_id, new_id


def test_a_new_id_has_the_shape_that_clients_accept() -> None:
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{21}", new_id()) for _ in range(1_000))


def test_new_ids_differ_and_use_the_whole_alphabet() -> None:
    ids = {new_id() for _ in range(1_000)}

    assert len(ids) == 1_000
    assert len(set("".join(ids))) == 64


def test_a_new_id_is_an_id() -> None:
    assert is_id(new_id())


@pytest.mark.parametrize(
    "text",
    ["", "a" * 20, "a" * 22, "a" * 20 + ".", "a" * 20 + "/", "a" * 20 + "ä", "a" * 21 + "\n"],
)
def test_anything_else_is_not(text: str) -> None:
    assert not is_id(text)
