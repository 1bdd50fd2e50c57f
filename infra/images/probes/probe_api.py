"""Health probe of the API's container: exit code 0 when programs can be run.

Standard library only, since it is started every few seconds.
"""

import os
import sys
import urllib.error
import urllib.request

TIMEOUT_S = 8.0


def main() -> int:
    """Ask `/health`; its answer, which says what is down, is kept by the engine."""
    url = f"http://127.0.0.1:{os.environ.get('CODE_PORT', '8095')}/health"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=TIMEOUT_S) as answer:
            print(answer.read(1024).decode("utf-8", "replace"))  # noqa: T201 - its purpose
    except urllib.error.HTTPError as refusal:
        print(refusal.read(1024).decode("utf-8", "replace"))  # noqa: T201 - as above
        return 1
    except OSError as fault:
        print(fault)  # noqa: T201 - as above
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
