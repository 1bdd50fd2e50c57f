"""System calls, made for real: what is refused, and how (attack-cases.md, cases 20-25).

Where a call would fail in the kernel as well, its answer is not told apart from the list's. But
the list answers before the kernel has looked at a single argument, and with nothing but zeros
most calls would fail otherwise than the table says.
"""

import errno
import json

import pytest

from sandbox.seccomp import ONLY_WITH, allowed
from sandbox.syscalls import REFUSED
from tests.contracts.sandbox.lab import Lab, Ran

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

ANSWERS = {name: group.answer for group in REFUSED.values() for name in group.names.split()}

CALLS = """
import ctypes, errno, json, os, re, socket, termios

libc = ctypes.CDLL(None, use_errno=True)
header = open(f"/usr/include/{os.uname().machine}-linux-gnu/asm/unistd_64.h").read()
found = re.findall(r"#define __NR_(\\w+) (\\d+)$", header, re.MULTILINE)
NUMBERS = {name: int(number) for name, number in found}

def call(name, *arguments):
    '''The error of a system call, or 0.'''
    ctypes.set_errno(0)
    arguments = [ctypes.c_ulong(argument) for argument in arguments]
    result = libc.syscall(ctypes.c_long(NUMBERS[name]), *arguments)
    return ctypes.get_errno() if result == -1 else 0

def tell(answer):
    print(json.dumps(answer))
"""
"""What programs here begin with: `call` a system call with whatever arguments."""


async def answer_of(lab: Lab, code: str) -> object:
    ran = await lab.python(CALLS + code)
    assert ran.stderr == ""
    return json.loads(ran.stdout)


class TestTheTable:
    async def test_each_refused_call_fails_as_the_table_says(self, lab: Lab) -> None:
        answers = await answer_of(
            lab,
            f"names = {sorted(ANSWERS)!r}\n"
            "tell({name: call(name, 0, 0, 0, 0, 0, 0) for name in names if name in NUMBERS})",
        )

        assert isinstance(answers, dict)
        assert len(answers) > 60
        expected = {name: ANSWERS[name] for name in answers}
        assert {n: errno.errorcode[e] for n, e in answers.items() if e != expected[n]} == {}

    async def test_the_table_has_every_call_that_the_image_knows(self, lab: Lab) -> None:
        known = await answer_of(lab, "tell(sorted(NUMBERS))")

        assert isinstance(known, list)
        assert len(known) > 250
        in_table = {*allowed(), *ANSWERS, *(name for name, _ in ONLY_WITH)}
        assert set(known) - in_table == set()

    async def test_one_that_is_newer_than_all_lists_is_one_that_does_not_exist(
        self, lab: Lab
    ) -> None:
        """Libraries try the older one then, which they do not on EPERM."""
        assert await answer_of(lab, "NUMBERS['new'] = 1000; tell(call('new'))") == errno.ENOSYS


class TestSockets:
    async def test_there_are_three_families(self, lab: Lab) -> None:
        answers = await answer_of(
            lab,
            "kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW)\n"
            "tell([[family, kind] for family in range(64) for kind in kinds\n"
            "      if call('socket', family, kind, 0) != errno.EPERM])",
        )

        unix, inet, inet6 = 1, 2, 10
        stream, datagram, raw = 1, 2, 3
        assert answers == [
            *([unix, kind] for kind in (stream, datagram, raw)),
            *([family, kind] for family in (inet, inet6) for kind in (stream, datagram)),
        ]

    @pytest.mark.parametrize(
        "family", ["AF_ALG", "AF_VSOCK", "AF_NETLINK", "AF_PACKET", "AF_KEY", "AF_RXRPC"]
    )
    async def test_not_even_with_a_bit_that_the_kernel_does_not_see(
        self, lab: Lab, family: str
    ) -> None:
        answers = await answer_of(
            lab,
            f"family = {{'AF_RXRPC': 33}}.get({family!r}) or socket.{family}\n"
            "kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW,\n"
            "         socket.SOCK_SEQPACKET)\n"
            "tell([call('socket', family | 1 << 32, kind, 0) for kind in kinds])",
        )

        assert answers == [errno.EPERM] * 4

    @pytest.mark.parametrize(
        ("kind", "protocol"),
        [(1, 132), (5, 132), (1, 262), (1, 256), (6, 33), (5, 0), (6, 0), (2, 136), (2, 1)],
        ids=str,
    )
    async def test_of_the_internets_there_are_tcp_and_udp(
        self, lab: Lab, kind: int, protocol: int
    ) -> None:
        """Not SCTP, MPTCP, SMC, DCCP, UDP-Lite and ping, nor what a type alone stands for."""
        answers = await answer_of(
            lab,
            f"tell([call('socket', family, {kind}, {protocol})\n"
            "      for family in (socket.AF_INET, socket.AF_INET6)])",
        )

        assert answers == [errno.EPERM, errno.EPERM]


class TestOtherArguments:
    async def test_nobody_types_on_a_terminal(self, lab: Lab) -> None:
        answers = await answer_of(
            lab,
            "import pty\n"
            "_, end = pty.openpty()\n"
            "buffer = ctypes.create_string_buffer(b'x', 64)\n"
            "typed = ctypes.addressof(buffer)\n"
            "numbers = [termios.TIOCSTI | bit for bit in (0, 1 << 32, 1 << 63)]\n"
            "usual = [termios.TCGETS, termios.TIOCGWINSZ, termios.FIONREAD]\n"
            "tell([call('ioctl', end, number, typed) for number in numbers + usual])",
        )

        assert answers == [errno.EPERM] * 3 + [0] * 3

    async def test_nobody_is_notified_of_a_folder(self, lab: Lab) -> None:
        answers = await answer_of(
            lab,
            "import fcntl\n"
            "folder = os.open('/usr/bin', os.O_RDONLY)\n"
            "commands = [fcntl.F_NOTIFY | bit for bit in (0, 1 << 32, 1 << 63)]\n"
            "usual = [fcntl.F_GETFD, fcntl.F_GETFL, fcntl.F_DUPFD_CLOEXEC, fcntl.F_GETOWN]\n"
            "tell([call('fcntl', folder, command, 1) for command in commands + usual])",
        )

        assert answers == [errno.EPERM] * 3 + [0] * 4

    async def test_no_namespace_is_made(self, lab: Lab) -> None:
        answers = await answer_of(
            lab,
            "flags = [1 << bit for bit in (17, 25, 26, 27, 28, 29, 30)]\n"
            "tell([call('clone', flag | 17, 0, 0, 0, 0) for flag in flags])",
        )

        assert answers == [errno.EPERM] * 7

    async def test_memory_is_placed_as_usual(self, lab: Lab) -> None:
        answers = await answer_of(
            lab, "tell([call('personality', p) for p in (0xffffffff, 0, 0x40000, 0x400000)])"
        )

        assert answers == [0, 0, errno.EPERM, errno.EPERM]


class TestOtherWaysIntoTheKernel:
    """Programs of other processors, which have other numbers for the same calls."""

    async def test_those_of_32_bit_programs_are_closed(self, lab: Lab) -> None:
        ran = await self._run(lab, 'asm volatile("int $0x80" : "=a"(r) : "a"(20));')

        # Without 32-bit programs in the kernel at all, the instruction is what fails.
        assert ran.signal in {"SIGSYS", "SIGSEGV"}, ran.stdout

    async def test_those_of_x32_are_closed(self, lab: Lab) -> None:
        ran = await self._run(lab, "r = syscall(0x40000000 | 39);")

        assert ran.signal == "SIGSYS", ran.stdout

    async def _run(self, lab: Lab, line: str) -> Ran:
        code = f"""
            #include <stdio.h>
            #include <unistd.h>
            int main(void) {{ long r = 0; {line} printf("%ld\\n", r); }}
            """
        return await lab.run("c", code, (), {})
