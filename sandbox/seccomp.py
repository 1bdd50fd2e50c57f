"""Writes `seccomp.json`, which the engines are given.

    python -m sandbox.seccomp > sandbox/seccomp.json

From `syscalls.py`, and from what is here: the calls that are allowed or not by their arguments.
"""

import errno
import json
import socket
import sys
import termios
from collections.abc import Iterator
from typing import Any, NamedTuple

from sandbox.syscalls import ALLOWED, REFUSED


class Condition(NamedTuple):
    """What an argument must be: all of it, or the bits of a mask."""

    argument: int
    value: int
    mask: int | None = None


TRANSPORTS = (
    (socket.SOCK_STREAM, 0),
    (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    (socket.SOCK_DGRAM, 0),
    (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
)
"""Type and protocol of Internet sockets. SCTP, DCCP, MPTCP, SMC and L2TP belong to the same
families, and are modules that the kernel loads for whoever asks."""

SOCKET_TYPE_BITS = 0xF

NAMESPACE_FLAGS = 0x7E02_0000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET."""

PERSONALITIES = (0, 0xFFFF_FFFF)
"""The usual one, and the question which it is. Others place memory where exploits expect it."""

F_NOTIFY = 1026
"""The older inotify: signals what anybody does in a folder."""

COMMAND_BITS = range(11)
"""Of an `fcntl`; the largest command is 1044."""

REQUEST_BITS = range(16)
"""Of an `ioctl`, whose number has 32. Filters that compared 64 let TIOCSTI, which types on
somebody's terminal, through with a bit above that (CVE-2019-7303, CVE-2019-10063). Here one of
the lower 16 must be another than TIOCSTI's."""


LOW_BITS = 0xFFFF_FFFF
"""Of a process id or a kind of target: all that the kernel looks at."""

IOPRIO_WHO_PROCESS = 1

ON_ITSELF = {
    "setpriority": ((0, 0), (1, 0)),
    "sched_setscheduler": ((0, 0),),
    "sched_setparam": ((0, 0),),
    "sched_setattr": ((0, 0),),
    "ioprio_set": ((0, IOPRIO_WHO_PROCESS), (1, 0)),
    "prlimit64": ((0, 0),),
}
"""Calls that a thread may make upon itself alone (process id 0), by their arguments. Program
and supervisor have one uid: a program that put its supervisor behind itself (SCHED_IDLE) and
then spun in 45 processes kept it from ending the run at its time, and the engine from removing
the container."""


def _only_with() -> Iterator[tuple[str, tuple[Condition, ...]]]:
    yield "socket", (Condition(0, socket.AF_UNIX),)
    for family in (socket.AF_INET, socket.AF_INET6):
        for kind, protocol in TRANSPORTS:
            yield (
                "socket",
                (
                    Condition(0, family),
                    Condition(1, kind, SOCKET_TYPE_BITS),
                    Condition(2, protocol),
                ),
            )
    yield "socketpair", (Condition(0, socket.AF_UNIX),)
    yield "clone", (Condition(0, 0, NAMESPACE_FLAGS),)
    for personality in PERSONALITIES:
        yield "personality", (Condition(0, personality),)
    for name, arguments in ON_ITSELF.items():
        yield name, tuple(Condition(index, value, LOW_BITS) for index, value in arguments)
    for name, number, bits in (
        ("ioctl", termios.TIOCSTI, REQUEST_BITS),
        ("fcntl", F_NOTIFY, COMMAND_BITS),
    ):
        for bit in bits:
            yield name, (Condition(1, ~number & (1 << bit), 1 << bit),)


ONLY_WITH = tuple(_only_with())
"""Calls that are allowed if their arguments meet all conditions of one line.

Of sockets, what is good is listed, not what is bad: neither AF_ALG, VSOCK, NETLINK, PACKET, KEY
and RXRPC are on it nor what the kernel learns next. Numbers are compared whole, so that AF_ALG
with a bit above the 32 that the kernel looks at is none of them either."""


def profile() -> dict[str, Any]:
    """Return the table as the OCI runtime specification and Docker have it."""
    allow = {"action": "SCMP_ACT_ALLOW"}
    answers = sorted({group.answer for group in REFUSED.values()} - {errno.EPERM})
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [
            *(
                {"names": refused_with(answer), "action": "SCMP_ACT_ERRNO", "errnoRet": answer}
                for answer in answers
            ),
            {"names": allowed(), **allow},
            *(
                {"names": [name], **allow, "args": [_argument(each) for each in conditions]}
                for name, conditions in ONLY_WITH
            ),
        ],
    }


def allowed() -> list[str]:
    """Return the calls that are allowed whatever their arguments."""
    return sorted(name for names in ALLOWED.values() for name in names.split())


def refused_with(answer: int) -> list[str]:
    """Return the calls that fail with this error."""
    groups = (group for group in REFUSED.values() if group.answer == answer)
    return sorted(name for group in groups for name in group.names.split())


def _argument(condition: Condition) -> dict[str, Any]:
    if condition.mask is None:
        return {"index": condition.argument, "value": condition.value, "op": "SCMP_CMP_EQ"}
    return {
        "index": condition.argument,
        "value": condition.mask,
        "valueTwo": condition.value,
        "op": "SCMP_CMP_MASKED_EQ",
    }


if __name__ == "__main__":
    json.dump(profile(), sys.stdout, indent=2)
    sys.stdout.write("\n")
