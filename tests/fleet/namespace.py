"""A network namespace of Linux, with wires to the outside that can be cut.

A proxy that is told to fail closes connections, and both ends hear of it. A wire that is cut
takes packets and delivers none, so that neither end hears anything: no RST, no FIN, no error.
"""

import secrets
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Self

NETWORK = IPv4Network("198.18.0.0/15")
"""Set aside for tests of networks (RFC 2544): no machine has a use of its own for it."""

PREFIX_LENGTH = 30
"""Of a wire's network, which has two addresses: the outside's and the inside's."""

LAST_RESORT = "4294967295"
"""The metric of a route that is taken when no other is left."""


class Wire:
    """A veth pair; what listens at `address` is reached from inside over this wire alone."""

    def __init__(self, namespace: str, device: str) -> None:
        """Lay it. The ends have the same name, one here and one in the namespace."""
        self._device = device
        self._network = _random_network()
        outside, inside = self._network.hosts()
        self.address = str(outside)
        ip("link", "add", device, "type", "veth", "peer", "name", device, "netns", namespace)
        ip("address", "add", f"{outside}/{PREFIX_LENGTH}", "dev", device)
        _ip_in(namespace, "address", "add", f"{inside}/{PREFIX_LENGTH}", "dev", device)
        ip("link", "set", device, "up")
        _ip_in(namespace, "link", "set", device, "up")
        self._let_nobody_hear(namespace, outside)

    def _let_nobody_hear(self, namespace: str, outside: IPv4Address) -> None:
        """Have packets vanish while the wire is cut, as behind a router.

        Inside, an address that nobody answers for would be an error after three seconds ("no
        route to host"). Outside, what is meant for the inside would go to the machine's router.
        """
        mac = Path(f"/sys/class/net/{self._device}/address").read_text(encoding="ascii")
        _ip_in(
            namespace,
            *("neighbour", "add", str(outside), "lladdr", mac.strip()),
            *("dev", self._device, "nud", "permanent"),
        )
        ip("route", "add", "blackhole", str(self._network), "metric", LAST_RESORT)

    def cut(self) -> None:
        """Have everything vanish that is sent, either way."""
        ip("link", "set", self._device, "down")

    def mend(self) -> None:
        """Be whole again: what is sent from now on arrives."""
        ip("link", "set", self._device, "up")

    def remove(self) -> None:
        """Take both ends away, and what else was made for it."""
        ip("route", "delete", "blackhole", str(self._network), "metric", LAST_RESORT)
        ip("link", "delete", self._device)


class Namespace:
    """A context manager: the namespace is there until it is left, by every process first.

    It has a wire to the broker and one to the object store, and reaches nothing else. Needs
    root, and Debian's `iproute2`.
    """

    def __init__(self) -> None:
        self._mark = secrets.token_hex(4)
        self.name = f"code-command-test-{self._mark}"
        self._wires: list[Wire] = []

    def __enter__(self) -> Self:
        ip("netns", "add", self.name)
        try:
            _ip_in(self.name, "link", "set", "lo", "up")
            # A device's name has at most 15 characters.
            for use in ("broker", "store"):
                self._wires.append(Wire(self.name, f"{use}-{self._mark}"))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        left = ip("netns", "pids", self.name).split()
        while self._wires:
            self._wires.pop().remove()
        ip("netns", "delete", self.name)
        # It would live on with them, unseen.
        assert not left, f"processes are left in the namespace {self.name}: {left}"
        assert self._mark not in ip("-oneline", "link", "show")

    @property
    def enter(self) -> tuple[str, ...]:
        """What goes before a command that is to run inside.

        Not `ip netns exec`: that mounts another /sys, in which there are no control groups.
        """
        return ("nsenter", f"--net=/run/netns/{self.name}")

    @property
    def to_broker(self) -> Wire:
        return self._wires[0]

    @property
    def to_storage(self) -> Wire:
        return self._wires[1]

    @contextmanager
    def cut_off(self, *wires: Wire) -> Generator[None, None, None]:
        """Cut these wires, or all of them, until the block ends."""
        chosen: Sequence[Wire] = wires or tuple(self._wires)
        try:
            for wire in chosen:
                wire.cut()
            yield
        finally:
            for wire in chosen:
                wire.mend()


def ip(*arguments: str) -> str:
    """Run iproute2's `ip`; return what it says. Fails with that where `ip` does."""
    done = subprocess.run(("ip", *arguments), capture_output=True, check=False, text=True)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr.strip()}"
    return done.stdout


def _ip_in(namespace: str, *arguments: str) -> None:
    ip("-netns", namespace, *arguments)


def _random_network() -> IPv4Network:
    """Return one that hardly anybody else has: tests may run beside each other."""
    size = 2 ** (32 - PREFIX_LENGTH)
    number = secrets.randbelow(NETWORK.num_addresses // size)
    return IPv4Network((NETWORK[number * size], PREFIX_LENGTH))
