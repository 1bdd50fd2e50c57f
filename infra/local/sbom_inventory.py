"""Prints, as JSON, what is installed in the sandbox image.

Runs inside it (see `infra.local.sbom`), so it needs the standard library only.
"""

import json
import platform
import subprocess
from importlib.metadata import distributions
from pathlib import Path

NODE = Path("/opt/node")


def debian() -> list[dict[str, str]]:
    """Return Debian's packages."""
    fields = ("name", "version", "architecture")
    form = "${binary:Package}\\t${Version}\\t${Architecture}\\t${db:Status-Status}\\n"
    lines = _said("dpkg-query", "--show", f"--showformat={form}").splitlines()
    rows = [line.split("\t") for line in lines]
    return [
        dict(zip(fields, (name.partition(":")[0], version, architecture), strict=True))
        for name, version, architecture, status in rows
        if status == "installed"
    ]


def python() -> list[dict[str, str]]:
    """Return the packages of the programs' own Python."""
    return [{"name": found.name, "version": found.version} for found in distributions()]


def npm() -> list[dict[str, str]]:
    """Return the packages that `require` finds, and those that they brought."""
    found: list[dict[str, str]] = []
    for file in sorted(NODE.glob("node_modules/**/package.json")):
        # Packages have such files inside as well; a package lies right below a node_modules.
        above = file.parent.parent
        if above.name.startswith("@"):
            above = above.parent
        if above.name == "node_modules":
            package = json.loads(file.read_bytes())
            found.append({"name": package["name"], "version": package["version"]})
    return found


def programs() -> list[dict[str, str]]:
    """Return what was put in place by itself."""
    return [
        {"name": name, "version": _said(str(NODE / "bin" / name), "--version").strip(" v\n")}
        for name in ("node", "bun")
        if (NODE / "bin" / name).exists()
    ]


def _said(*command: str) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout


if __name__ == "__main__":
    release = platform.freedesktop_os_release()
    inventory = {
        "distribution": {"id": release["ID"], "version": release["VERSION_ID"]},
        "debian": debian(),
        "python": python(),
        "npm": npm(),
        "programs": programs(),
    }
    print(json.dumps(inventory))
