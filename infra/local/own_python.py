"""The product's own Python: `.venv` in the checkout, made from locked, hashed lists.

Needs the standard library only, since it runs before there is anything else.
"""

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

from infra.local import apt
from infra.local.config import CHECKOUT
from infra.local.console import Console
from infra.local.errors import LocalError

Level = Literal["base", "local", "dev"]
"""Which of requirements/*.txt is needed. Each holds everything that the one before it does,
in the same versions."""

_LEVELS: tuple[Level, ...] = ("base", "local", "dev")
_MARK = "code-command-installed"
_TAIL_LINES = 15
_LOCKED = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]* ?(?:==|@)", re.MULTILINE)
_PROGRESS = re.compile(r"^(?:Collecting|Requirement already satisfied:|Ignoring) ([^\s:]+)")
_NOT_FOR_PIP = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONPATH", "PYTHONHOME")
"""Settings of a person's own that would lead an installation somewhere else."""


@dataclass(frozen=True, slots=True)
class OwnPython:
    """The virtual environment of one checkout.

    A mark in it says which list was installed, to the end. Where it says nothing, a start
    was interrupted, and everything is made again.
    """

    checkout: Path = CHECKOUT

    @property
    def folder(self) -> Path:
        """The virtual environment."""
        return self.checkout / ".venv"

    @property
    def program(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def requirements(self, level: Level) -> Path:
        """Return the locked list of `level`."""
        return self.checkout / "requirements" / f"{level}.txt"

    def provides(self, level: Level) -> bool:
        """Say whether what is installed now includes what `level` needs."""
        installed = self._installed()
        return (
            installed is not None
            and _LEVELS.index(installed) >= _LEVELS.index(level)
            and self._read_mark() == self._mark_for(installed)
            and self._is_sound()
        )

    def ensure(self, level: Level, console: Console) -> None:
        """Install what `level` needs, unless it is there.

        Raises:
            LocalError: It cannot be; the message says why and what to do.
        """
        if self.provides(level):
            return
        with self._lock():
            if self.provides(level):
                return  # Somebody else has done it while we waited.
            self._make(console)
            installed = self._installed() or "base"
            wanted: Level = max((level, installed), key=_LEVELS.index)
            self._mark_path.write_text("", encoding="ascii")
            self._install(wanted, console)
            self._mark_path.write_text(self._mark_for(wanted), encoding="ascii")

    def enter(self, level: Level, arguments: list[str], console: Console) -> None:
        """Go on in the environment: replaces this process, unless it runs there already."""
        if Path(sys.prefix) == self.folder:
            return
        self.ensure(level, console)
        self._become(arguments)

    def _become(self, arguments: list[str]) -> NoReturn:
        environment = dict(os.environ)
        environment.pop("PYTHONHOME", None)
        environment["PYTHONPATH"] = str(self.checkout)
        environment["VIRTUAL_ENV"] = str(self.folder)
        environment["PATH"] = f"{self.program.parent}:{environment.get('PATH', os.defpath)}"
        sys.stdout.flush()
        command = [str(self.program), "-P", "-m", "infra.local", *arguments]
        os.execve(self.program, command, environment)  # noqa: S606 - our own interpreter

    @property
    def _mark_path(self) -> Path:
        return self.folder / _MARK

    def _read_mark(self) -> str:
        try:
            return self._mark_path.read_text(encoding="ascii")
        except FileNotFoundError:
            return ""

    def _mark_for(self, level: Level) -> str:
        digest = hashlib.sha256(self.requirements(level).read_bytes()).hexdigest()
        return f"{level} {digest}\n"

    def _installed(self) -> Level | None:
        """Return the level that was installed last, be it outdated."""
        name = self._read_mark().partition(" ")[0]
        return next((level for level in _LEVELS if level == name), None)

    def _is_sound(self) -> bool:
        """Say whether the interpreter still finds its packages.

        It does not after an upgrade of the machine's Python to another minor version.
        """
        try:
            probe = subprocess.run(
                (str(self.program), "-I", "-c", "import pip"), capture_output=True, check=False
            )
        except OSError:
            return False
        return probe.returncode == 0

    @contextmanager
    def _lock(self) -> Generator[None, None, None]:
        """Hold the checkout, so that two first starts do not install over each other."""
        handle = os.open(self.checkout, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _make(self, console: Console) -> None:
        """Make an empty environment, unless there is a whole and sound one."""
        if self._installed() is not None and self._is_sound():
            return
        if self.folder.exists() and not self._mark_path.exists():
            raise LocalError(
                f"{self.folder} was not made by code-command; move it away and start again"
            )
        _ensure_venv_module(console)
        try:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir()
            self._mark_path.touch()  # First of all: from here on it is known as ours.
        except OSError as fault:
            raise LocalError(f"{self.folder} cannot be made: {fault}") from fault
        console.say(f"first start: making {self.folder} with Python {_version()}")
        command = (sys.executable, "-I", "-m", "venv", str(self.folder))
        made = subprocess.run(command, capture_output=True, check=False, text=True)
        if made.returncode != 0:
            raise LocalError(f"`{' '.join(command)}` failed:\n{made.stdout}{made.stderr}")

    def _install(self, level: Level, console: Console) -> None:
        requirements = self.requirements(level)
        total = len(_LOCKED.findall(requirements.read_text(encoding="utf-8")))
        console.say(f"installing {total} packages (requirements/{level}.txt)")
        environment = {k: v for k, v in os.environ.items() if k not in _NOT_FOR_PIP}
        environment |= {"PIP_USER": "0", "VIRTUAL_ENV": str(self.folder)}
        # The lists name everything, so nothing is left for pip to work out.
        options = ("--require-hashes", "--no-deps", "--no-input", "--progress-bar", "off")
        command = (str(self.program), "-m", "pip", "install", *options, "-r", str(requirements))
        said: list[str] = []
        count = 0
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            text=True,
            errors="replace",
        ) as pip:
            for line in pip.stdout or ():
                said.append(line.rstrip())
                if found := _PROGRESS.match(line):
                    count += 1
                    console.status(f"{count} of {total}: {found[1]}")
                elif line.startswith("Installing collected packages"):
                    console.status("unpacking them")
        if pip.returncode != 0:
            tail = "\n".join(said[-_TAIL_LINES:])
            raise LocalError(f"`{' '.join(command)}` failed:\n{tail}")
        console.done(f"{total} packages are installed")


def _ensure_venv_module(console: Console) -> None:
    """See to `ensurepip`, which Debian and Ubuntu ship in a package of its own."""
    if importlib.util.find_spec("ensurepip") and importlib.util.find_spec("venv"):
        return
    package = f"python{_version()}-venv"
    if not apt.can_install():
        raise LocalError(
            f"this Python cannot make virtual environments. On Debian and Ubuntu:\n"
            f"  {apt.install_command([package])}"
        )
    apt.install([package], console)


def _version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
