"""Cases 20 and 21: which sockets there are."""

import json
import secrets
import socket

import pytest

from tests.live.running_service_caller import Caller
from tests.security.attacks import attack, other_than, tried
from tests.security.host_view import abstract_sockets

pytestmark = pytest.mark.docker

NO_SUCH_FAMILY = frozenset({"EPERM", "EACCES", "EAFNOSUPPORT", "EPROTONOSUPPORT", "ENOSYS"})


@pytest.mark.case(20)
def test_no_abstract_socket_of_the_host_is_there(attacker: Caller) -> None:
    """As containerd's was (CVE-2020-15257). There is one at least, which the test opens."""
    own = f"attack-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{own}")
        server.listen()
        names = abstract_sockets()
        words = tried(
            attacker,
            {
                name: f"socket.socket(socket.AF_UNIX).connect(chr(0) + {name!r})"
                for name in names
            },
        )

    assert own in words
    assert other_than({"ECONNREFUSED"}, words) == {}


@pytest.mark.case(20)
@pytest.mark.case(21)
def test_no_socket_of_an_unusual_family_can_be_made(attacker: Caller) -> None:
    """AF_ALG was Copy Fail (CVE-2026-31431), AF_RXRPC Dirty Frag (CVE-2026-43500)."""
    families = {
        "AF_NETLINK": 16,
        "AF_KEY": 15,
        "AF_PACKET": 17,
        "AF_RDS": 21,
        "AF_CAN": 29,
        "AF_TIPC": 30,
        "AF_BLUETOOTH": 31,
        "AF_RXRPC": 33,
        "AF_ALG": 38,
        "AF_NFC": 39,
        "AF_VSOCK": 40,
        "AF_KCM": 41,
        "AF_QIPCRTR": 42,
        "AF_SMC": 43,
        "AF_XDP": 44,
    }
    kinds = {"stream": 1, "datagram": 2, "raw": 3, "sequence": 5}
    words = tried(
        attacker,
        {
            f"{name}, {kind}": f"syscall(41, {family}, {number}, 0)"
            for name, family in families.items()
            for kind, number in kinds.items()
        }
        | {
            # An argument's upper half, which a filter may compare and the kernel forgets.
            f"{name}, in disguise": f"syscall(41, {family | 1 << 32}, {3}, 0)"
            for name, family in families.items()
        }
        | {
            f"{name}, a pair": f"syscall(53, {family}, {1}, 0, bytes(8))"
            for name, family in families.items()
        },
    )

    assert other_than(NO_SUCH_FAMILY, words) == {}


@pytest.mark.case(20)
def test_it_speaks_to_itself_alone(attacker: Caller) -> None:
    """What it may use: unix and internet sockets, of which it hears nobody but itself."""
    code = """
import json, socket
names = [line.split()[-1] for line in open("/proc/net/unix") if "@" in line]
here, there = socket.socketpair()
here.send(b"unix")
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
client.send(b"internet")
print(json.dumps([names, there.recv(9).decode(), server.accept()[0].recv(9).decode()]))
"""
    said = json.loads(attack(attacker, code)["stdout"])

    assert said == [[], "unix", "internet"]
