"""`python -m infra.local.install_packages`: the packages of this checkout, and nothing else.

What infra/bundle/install.sh calls. pip's settings are the environment's.
"""

import sys

from infra.local.console import Console
from infra.local.errors import LocalError
from infra.local.own_python import OwnPython

if __name__ == "__main__":
    console = Console()
    try:
        OwnPython().ensure("local", console)
    except LocalError as fault:
        console.error(str(fault))
        sys.exit(1)
