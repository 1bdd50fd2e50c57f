"""Cases 16 to 18: nothing outside of the sandbox can be spoken to."""

import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller
from tests.security.attacks import REFUSED, attack, other_than, tried
from tests.security.host_view import addresses, ports

pytestmark = pytest.mark.docker

UNREACHABLE = REFUSED | {
    "ENETUNREACH",
    "EHOSTUNREACH",
    "EADDRNOTAVAIL",
    "EAFNOSUPPORT",
    "EPROTONOSUPPORT",
    "ESOCKTNOSUPPORT",
    "ENODEV",
    "ENOTTY",  # gVisor knows no request that gives an interface an address.
    "EPIPE",  # gVisor knows no fast open: a socket that is not connected.
    "EINVAL",
    "no such name",
}
"""Said at once, without anybody having been asked. A time that passes is none of these."""

QUERY = (
    b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01"
)
"""A name that every resolver knows (RFC 1035)."""

HELPERS = f"""
def tcp(host, port, kind=socket.SOCK_STREAM, protocol=0):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind, protocol) as here:
        here.settimeout(1)
        here.connect((host, port))
        return host, port

def udp(host, port=53, data={QUERY!r}):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as here:
        here.settimeout(1)
        here.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        here.connect((host, port))  # Else nobody tells that nobody listens.
        here.send(data)
        return here.recv(512)

def icmp(kind, host="1.1.1.1"):
    with socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP) as here:
        here.settimeout(1)
        here.sendto(bytes((8, 0, 0xF7, 0xFF)) + bytes(4), (host, 0))
        return here.recv(512)

def fast_open(host, port):
    with socket.socket() as here:
        return here.sendto(b"GET / HTTP/1.0\\r\\n\\r\\n", 0x20000000, (host, port))

def each(reach, targets):
    reached = []
    for target in targets:
        try:
            reached.append(reach(*target))
        except OSError as error:
            word = errno.errorcode.get(error.errno, str(error))
            if word not in {set(UNREACHABLE | {"ECONNREFUSED"})!r}:
                reached.append((target, word))
    return reached
"""


@pytest.mark.case(16)
@pytest.mark.runsc
def test_nothing_goes_out_to_the_internet(attacker: Caller) -> None:
    words = tried(
        attacker,
        {
            "web": "tcp('1.1.1.1', 443)",
            "web, IPv6": "tcp('2606:4700:4700::1111', 443)",
            "web by name": "socket.create_connection(('example.com', 80))",
            "mail": "tcp('8.8.8.8', 25)",
            "fast open": "fast_open('1.1.1.1', 80)",
            "multipath": "tcp('1.1.1.1', 443, protocol=262)",
            "sctp": "tcp('1.1.1.1', 443, protocol=132)",
            "dns": "udp('1.1.1.1')",
            "dns, tcp": "tcp('8.8.8.8', 53)",
            "dns, IPv6": "udp('2001:4860:4860::8888')",
            "quic": "udp('1.1.1.1', 443)",
            "ntp": "udp('162.159.200.1', 123)",
            "a name": "socket.getaddrinfo('example.com', 80)",
            "a name of one's own": f"socket.getaddrinfo('{secrets.token_hex(8)}.com', 80)",
            "ping": "icmp(socket.SOCK_DGRAM)",
            "raw ping": "icmp(socket.SOCK_RAW)",
            "raw": "socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)",
            "broadcast": "udp('255.255.255.255', 67)",
            "multicast": "udp('224.0.0.251', 5353)",
        },
        HELPERS,
    )

    assert other_than(UNREACHABLE, words) == {}


@pytest.mark.case(16)
def test_nor_does_it_from_bash(attacker: Caller) -> None:
    code = """
        for kind in tcp udp; do
            for address in 1.1.1.1/443 8.8.8.8/53 example.com/80; do
                (echo > /dev/$kind/$address) && echo $kind $address
            done
        done 2>/dev/null
        ls /sys/class/net
        """
    # gVisor shows no interface there, not even the one it has.
    assert attack(attacker, code, lang="bash")["stdout"] in {"lo\n", ""}


@pytest.mark.case(17)
@pytest.mark.runsc
def test_no_cloud_says_who_we_are(attacker: Caller) -> None:
    words = tried(
        attacker,
        {
            "AWS, GCP, Azure": "tcp('169.254.169.254', 80)",
            "AWS, mapped": "tcp('::ffff:169.254.169.254', 80)",
            "AWS, IPv6": "tcp('fd00:ec2::254', 80)",
            "AWS, time": "udp('169.254.169.123', 123)",
            "AWS, resolver": "udp('169.254.169.253')",
            "ECS": "tcp('169.254.170.2', 80)",
            "Alibaba": "tcp('100.100.100.200', 80)",
            "Oracle": "tcp('192.0.0.192', 80)",
            "Azure's wire": "tcp('168.63.129.16', 80)",
            "GCP, by name": "socket.getaddrinfo('metadata.google.internal', 80)",
            "GCP, IPv6": "tcp('fd20:ce::254', 80)",
            "link-local": "udp('169.254.255.255', 137)",
            "link-local, IPv6": "tcp('fe80::1', 80)",
            "an address of one's own": (
                "fcntl.ioctl(socket.socket(), 0x8916,"  # SIOCSIFADDR
                " struct.pack('16sHH4s8x', b'lo', 2, 0, bytes((169, 254, 169, 1))))"
            ),
        },
        f"import fcntl\n{HELPERS}",
    )

    assert other_than(UNREACHABLE, words) == {}


@pytest.fixture
def listeners() -> Iterator[list[socket.socket]]:
    """Servers of this host, on all of its addresses."""
    with ExitStack() as stack:
        port = 0
        made: list[socket.socket] = []
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            server = stack.enter_context(socket.socket(socket.AF_INET, kind))
            server.bind(("0.0.0.0", port))  # noqa: S104 - everywhere it could be reached
            port = server.getsockname()[1]
            server.settimeout(0)
            made.append(server)
        made[0].listen()
        yield made


@pytest.mark.case(18)
@pytest.mark.runsc
def test_no_part_of_the_service_can_be_reached_nor_anything_else_of_the_host(
    target: RunningService, attacker: Caller, listeners: list[socket.socket]
) -> None:
    """Broker, store, API, engine, and two servers that wait to be spoken to."""
    tcp_server, udp_server = listeners
    own_port = tcp_server.getsockname()[1]
    served = {**ports(target), "ours": own_port}
    for port in served.values():
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    tcp_server.accept()[0].close()  # That was ourselves.
    hosts = [*addresses(), "172.17.0.1", "172.18.0.1", "10.0.2.2", "::1", "::ffff:172.17.0.1"]
    hosts += ["172.17.0.2", "172.17.0.3"]  # As other executors would have.
    doors = [*served.values(), 22, 2375, 6379]
    words = tried(
        attacker,
        {
            "tcp": f"each(tcp, {[(host, port) for host in hosts for port in doors]})",
            "udp": f"each(udp, {[(host, own_port) for host in hosts]})",
            "host.docker.internal": "socket.getaddrinfo('host.docker.internal', 80)",
            "gateway.docker.internal": "socket.getaddrinfo('gateway.docker.internal', 80)",
            "the engine's resolver": "udp('127.0.0.11')",
        },
        HELPERS,
    )

    assert other_than(UNREACHABLE | {"done: []", "ECONNREFUSED"}, words) == {}
    with pytest.raises(BlockingIOError):
        tcp_server.accept()
    with pytest.raises(BlockingIOError):
        udp_server.recv(1)
