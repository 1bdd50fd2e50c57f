"""The schema of cloud-init's configuration, from Debian's package.

The package is unpacked, never installed: cloud-init would run at the machine's next start.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from infra.local.errors import LocalError

_IN_PACKAGE = (
    "usr/lib/python3/dist-packages/cloudinit/config/schemas/schema-cloud-config-v1.json"
)
_TIMEOUT_S = 120


def cloud_config_schema() -> Path:
    """Return the file that `cloud-init schema` judges by. Fetched once; safe to repeat.

    Raises:
        LocalError: Neither installed nor to be had from the package sources.
    """
    installed = Path("/") / _IN_PACKAGE
    kept = Path(sys.prefix) / "cloud-init-schema.json"
    for found in (installed, kept):
        if found.exists():
            return found
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not _fetched(folder):
            _run(folder, "apt-get", "update")
            if not _fetched(folder):
                raise LocalError("apt-get offers no cloud-init (Debian and Ubuntu have it)")
        (package,) = folder.glob("*.deb")
        _run(folder, "dpkg-deb", "--extract", str(package), str(folder / "unpacked"))
        made = kept.with_suffix(".new")
        shutil.copyfile(folder / "unpacked" / _IN_PACKAGE, made)
        made.rename(kept)
    return kept


def _fetched(folder: Path) -> bool:
    # As root apt would change to a user who cannot write here, and say so on each call.
    as_we_are = ("-o", "APT::Sandbox::User=root")
    return _run(folder, "apt-get", *as_we_are, "download", "cloud-init") == 0


def _run(folder: Path, *command: str) -> int:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except FileNotFoundError as fault:
        raise LocalError(f"cloud-init's schema comes from Debian's package: {fault}") from fault
    return done.returncode
