"""Health probe of the engine proxy's container: exit code 0 when the engine answers through it.

Standard library only, since it is started every few seconds.
"""

import socket
import sys

PATH = "/run/engine/docker.sock"
TIMEOUT_S = 8.0


def main() -> int:
    """Ask the engine for a sign of life, as the executor does; print what is wrong."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT_S)
            connection.connect(PATH)
            connection.sendall(b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n")
            answer = connection.recv(1024).partition(b"\r\n")[0].decode("ascii", "replace")
    except OSError as fault:
        print(f"the engine does not answer: {fault}")  # noqa: T201 - its purpose
        return 1
    print(answer)  # noqa: T201 - as above
    return 0 if answer.startswith("HTTP/1.1 200 ") else 1


if __name__ == "__main__":
    sys.exit(main())
