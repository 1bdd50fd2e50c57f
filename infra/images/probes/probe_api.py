"""Health probe of the API's container: exit code 0 when programs can be run.

With `--alive`, also when the API says that they cannot: for those who replace what is not well,
as Amazon ECS does. Another API would miss the same parts.

Standard library only, since it is started every few seconds.
"""

import os
import sys
import urllib.error
import urllib.request

TIMEOUT_S = 8.0
SOMETHING_IS_DOWN = 503


def main() -> int:
    """Ask `/health`; its answer, which says what is down, is kept by the engine."""
    url = f"http://127.0.0.1:{os.environ.get('CODE_PORT', '8095')}/health"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=TIMEOUT_S) as answer:
            print(answer.read(1024).decode("utf-8", "replace"))  # noqa: T201 - its purpose
    except urllib.error.HTTPError as refusal:
        print(refusal.read(1024).decode("utf-8", "replace"))  # noqa: T201 - as above
        is_alive = "--alive" in sys.argv[1:] and refusal.code == SOMETHING_IS_DOWN
        return 0 if is_alive else 1
    except OSError as fault:
        print(fault)  # noqa: T201 - as above
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
