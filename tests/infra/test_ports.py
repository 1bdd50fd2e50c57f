import json
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.local.ports import GRPC_OFFSET, is_free, kept_ports, why_not_free


@contextmanager
def taken(port: int) -> Generator[None, None, None]:
    with socket.create_server(("127.0.0.1", port)):
        yield


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ports.json"


def test_every_name_gets_a_port_of_its_own_with_a_free_one_above(file: Path) -> None:
    ports = kept_ports(file, ["a", "b", "c"])

    assert len(set(ports.values())) == 3
    for port in ports.values():
        assert is_free(port)
        assert is_free(port + GRPC_OFFSET)


def test_ports_are_remembered(file: Path) -> None:
    assert kept_ports(file, ["a", "b"]) == kept_ports(file, ["a", "b"])


def test_names_asked_for_apart_keep_apart(file: Path) -> None:
    first = kept_ports(file, ["a"])["a"]
    second = kept_ports(file, ["b"])["b"]

    assert first != second
    assert kept_ports(file, ["a", "b"]) == {"a": first, "b": second}


@pytest.mark.parametrize("above", [0, GRPC_OFFSET])
def test_a_port_that_somebody_took_is_replaced_and_the_others_stay(
    file: Path, above: int
) -> None:
    before = kept_ports(file, ["a", "b"])

    with taken(before["a"] + above):
        after = kept_ports(file, ["a", "b"])

    assert after["a"] != before["a"]
    assert after["b"] == before["b"]


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": "x"}', '{"a": 99999}', '{"a": 60000}'])
def test_a_damaged_memory_is_as_good_as_none(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")

    port = kept_ports(file, ["a"])["a"]

    assert json.loads(file.read_text(encoding="utf-8"))["a"] == port


def test_a_listening_port_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        assert not is_free(port)
        assert f"sport = :{port}" in (why_not_free(port) or "")

    assert is_free(port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_an_address_of_another_machine_cannot_be_had(host: str) -> None:
    assert not is_free(8095, host=host)
    assert f"{host} is no address of this machine" in (why_not_free(8095, host=host) or "")
