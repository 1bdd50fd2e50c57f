"""Entry point inside the image: `python3 /opt/code-command/supervisor`."""

import os
import sys

# Run as a folder, Python puts this folder itself on the path; the package is its parent's.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))

from supervisor.serve import main  # noqa: E402 - needs the path above

main()
