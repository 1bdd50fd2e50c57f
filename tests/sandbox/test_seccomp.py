"""The list of system calls: the file says what the table says, and the table what it means."""

import errno
import fcntl
import json
import socket
import termios
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sandbox import seccomp
from sandbox.syscalls import REFUSED

FILE = Path(seccomp.__file__).with_name("seccomp.json")
RULES: list[dict[str, Any]] = json.loads(FILE.read_text())["syscalls"]
REFUSED_NAMES = {name for group in REFUSED.values() for name in group.names.split()}

CLONE_THREAD_FLAGS = 0x3D0F00
"""What glibc makes threads with."""

ABOVE_32_BITS = 1 << 32

NAMESPACE_FLAGS = {
    "NEWNS": 0x0002_0000,
    "NEWCGROUP": 0x0200_0000,
    "NEWUTS": 0x0400_0000,
    "NEWIPC": 0x0800_0000,
    "NEWUSER": 0x1000_0000,
    "NEWPID": 0x2000_0000,
    "NEWNET": 0x4000_0000,
}


def _met(condition: dict[str, Any], arguments: tuple[int, ...]) -> bool:
    """As seccomp_rule_add(3) has it: the whole 64 bits, or those of the mask."""
    argument = arguments[condition["index"]]
    if condition["op"] == "SCMP_CMP_MASKED_EQ":
        return argument & condition["value"] == condition["valueTwo"]
    assert condition["op"] == "SCMP_CMP_EQ"
    return argument == condition["value"]


def allows(name: str, *arguments: int) -> bool:
    """Say whether the file lets a call with these arguments through."""
    return any(
        name in rule["names"]
        and rule["action"] == "SCMP_ACT_ALLOW"
        and all(_met(condition, arguments) for condition in rule.get("args", ()))
        for rule in RULES
    )


def test_the_file_is_written_from_the_table() -> None:
    """`python -m sandbox.seccomp > sandbox/seccomp.json` after a change."""
    assert json.loads(FILE.read_text()) == seccomp.profile()


def test_what_it_does_not_know_is_refused_and_nobody_is_killed() -> None:
    profile = seccomp.profile()
    actions = {profile["defaultAction"], *(rule["action"] for rule in RULES)}

    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert actions == {"SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW"}


def test_every_call_is_in_one_place() -> None:
    conditional = {name for name, _ in seccomp.ONLY_WITH}
    counted = Counter([*seccomp.allowed(), *REFUSED_NAMES, *conditional])

    assert [name for name, times in counted.items() if times > 1] == []


def test_no_32_bit_way_is_opened() -> None:
    assert not {"architectures", "archMap"} & seccomp.profile().keys()


def test_socketcall_is_told_no_before_socket_is_told_yes() -> None:
    """With the usual answer runc passes the rule over, and libseccomp makes one of its own."""
    first, *_ = RULES

    assert "socketcall" in first["names"]
    assert (first["action"], first["errnoRet"]) == ("SCMP_ACT_ERRNO", errno.ENOSYS)


@pytest.mark.parametrize("name", sorted(REFUSED_NAMES))
def test_it_is_not_allowed_with_any_arguments(name: str) -> None:
    allowing = [
        rule for rule in RULES if name in rule["names"] and rule["action"] == "SCMP_ACT_ALLOW"
    ]

    assert allowing == []


@pytest.mark.parametrize("family", range(64))
def test_sockets_are_of_three_families(family: int) -> None:
    good = {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6}

    assert allows("socket", family, socket.SOCK_STREAM, 0) is (family in good)
    assert not allows("socket", family | ABOVE_32_BITS, socket.SOCK_STREAM, 0)
    assert allows("socketpair", family, socket.SOCK_STREAM, 0) is (family == socket.AF_UNIX)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
@pytest.mark.parametrize(
    ("kind", "protocol", "allowed"),
    [
        (socket.SOCK_STREAM, 0, True),
        (socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 6, True),
        (socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 17, True),
        (socket.SOCK_RAW, 1, False),
        (socket.SOCK_SEQPACKET, 0, False),
        (socket.SOCK_STREAM, socket.IPPROTO_SCTP, False),
        (socket.SOCK_STREAM, 262, False),  # MPTCP
        (6, 33, False),  # DCCP
    ],
)
def test_internet_sockets_are_tcp_or_udp(
    family: int, kind: int, protocol: int, *, allowed: bool
) -> None:
    assert allows("socket", family, kind, protocol) is allowed


@pytest.mark.parametrize("high_bits", [0, ABOVE_32_BITS, 1 << 63])
def test_nobody_types_on_a_terminal(high_bits: int) -> None:
    assert not allows("ioctl", 0, termios.TIOCSTI | high_bits)


@pytest.mark.parametrize(
    "request_number",
    [termios.TCGETS, termios.TIOCGWINSZ, termios.FIONREAD, 0x4004_5431, 0x8912],
)
def test_other_requests_pass(request_number: int) -> None:
    assert allows("ioctl", 0, request_number)


@pytest.mark.parametrize("high_bits", [0, ABOVE_32_BITS, 1 << 63])
def test_nobody_is_notified_of_a_folder(high_bits: int) -> None:
    assert not allows("fcntl", 0, fcntl.F_NOTIFY | high_bits)


@pytest.mark.parametrize("name", sorted(each for each in dir(fcntl) if each.startswith("F_")))
def test_other_commands_pass(name: str) -> None:
    command = getattr(fcntl, name)

    assert allows("fcntl", 0, command) is (command != fcntl.F_NOTIFY)


def test_threads_and_children_are_made_but_no_namespaces() -> None:
    assert allows("clone", CLONE_THREAD_FLAGS)
    for name, flag in NAMESPACE_FLAGS.items():
        assert not allows("clone", CLONE_THREAD_FLAGS | flag), name


def test_memory_is_placed_as_usual() -> None:
    addr_no_randomize, read_implies_exec = 0x0040000, 0x0400000

    assert allows("personality", 0)
    assert allows("personality", 0xFFFF_FFFF)
    assert not allows("personality", addr_no_randomize)
    assert not allows("personality", read_implies_exec)
