"""Entry point inside the image: `python3 /opt/code-command/supervisor`."""

import sys
from pathlib import Path

# Run as a folder, Python puts this folder itself on the path; the package is its parent's.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from supervisor.serve import main  # noqa: E402 - needs the path above

main()
