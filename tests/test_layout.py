"""What the tree itself promises: names, layers, sizes, and nothing of anybody's machine."""

import ast
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("api", "executor", "infra", "sandbox", "storage", "telemetry")
LONGEST_MODULE_LINES = 300

MAY_IMPORT = {
    "storage": ("storage",),
    "telemetry": ("telemetry",),
    "executor": (
        "executor",
        "storage",
        "telemetry",
        "sandbox.supervisor.frames",
        "sandbox.supervisor.languages",
        "sandbox.supervisor.programmatic",
        "sandbox.supervisor.saved_entries",
        "sandbox.supervisor.skips",
        "sandbox.supervisor.workspace",
    ),
    "api": (
        "api",
        "executor.signs_of_life",
        "executor.image_version",
        "executor.messages",
        "executor.redis_connection",
        "executor.round_queue",
        "executor.tool_messages",
        "storage",
        "telemetry",
        "sandbox.supervisor.languages",
        "sandbox.supervisor.programmatic",
    ),
    "sandbox": ("sandbox",),
    "infra": ("infra", "api", "executor", "storage", "telemetry", "sandbox"),
}
"""Which of our modules each part may use: a whole part, or what it shows to others
(ARCHITECTURE.md)."""

TALKS_TO_DOCKER = re.compile(r"executor/docker_\w+\.py|infra/.*\.py")


def modules(part: str) -> list[Path]:
    return sorted((ROOT / part).rglob("*.py"))


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> list[str]:
    """Return everything that the file imports, by its whole dotted name."""
    return names_in(named(path), path.read_text(encoding="utf-8"))


def names_in(name: str, text: str) -> list[str]:
    found: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = name.split("/")[: -node.level] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            # `from executor import messages` names the module `executor.messages`.
            found += [f"{module}.{alias.name}" for alias in node.names]
    return found


def is_or_is_in(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")


def tracked_files() -> list[Path]:
    """What is in the repository, or would be if everything were added."""
    listed = subprocess.run(
        ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("part", PARTS)
def test_no_installed_distribution_has_a_package_of_our_name(part: str) -> None:
    """Ours are imported from the checkout; one on the registry is called `executor` too."""
    assert metadata.packages_distributions().get(part) is None


@pytest.mark.parametrize("part", PARTS)
def test_a_part_imports_only_what_it_may(part: str) -> None:
    wrong = [
        f"{named(path)} imports {name}"
        for path in modules(part)
        for name in imports(path)
        if name.partition(".")[0] in PARTS
        and not any(is_or_is_in(name, known) for known in MAY_IMPORT[part])
    ]

    assert wrong == []


def test_what_runs_inside_the_sandbox_needs_the_standard_library_only() -> None:
    # In the image, the package is at the top.
    known = sys.stdlib_module_names | {"sandbox", "supervisor"}
    wrong = [
        f"{named(path)} imports {name}"
        for path in modules("sandbox/supervisor")
        for name in imports(path)
        if name.partition(".")[0] not in known
    ]

    assert wrong == []


def test_an_import_is_named_whole_however_it_is_written() -> None:
    written = (
        "import a.b\nfrom c import d\nfrom . import e\nfrom .f import g\nfrom ..h import i\n"
    )

    assert sorted(names_in("part/package/module.py", written)) == [
        "a.b",
        "c.d",
        "part.h.i",
        "part.package.e",
        "part.package.f.g",
    ]


def test_only_the_adapter_and_the_one_machine_setup_talk_to_docker() -> None:
    wrong = [
        named(path)
        for part in PARTS
        for path in modules(part)
        if not TALKS_TO_DOCKER.fullmatch(named(path))
        and any(is_or_is_in(name, "docker") for name in imports(path))
    ]

    assert wrong == []


@pytest.mark.parametrize("part", PARTS)
def test_every_module_is_short_enough_to_be_read_at_once(part: str) -> None:
    lengths = {
        named(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in modules(part)
    }

    assert {n: length for n, length in lengths.items() if length > LONGEST_MODULE_LINES} == {}


def spelled(*pieces: str) -> str:
    """Put a pattern together, so that this file does not hold what it looks for."""
    return re.escape("".join(pieces))


FOREIGN = {
    "a registry's address": (
        spelled("py", "pi.", "org"),
        spelled("files.python", "hosted.", "org"),
        spelled("registry.", "npmjs.", "org"),
        spelled("deb.", "debian.", "org"),
        spelled("archive.", "ubuntu.", "com"),
        spelled("proxy.", "golang.", "org"),
    ),
    "a path of somebody's machine": (
        r"(?<![\w.$}])" + spelled("/wo", "rk/") + r"(?:main|shared)",
        spelled("/tmp/", "spike"),
        spelled("/tmp/", "plan"),
        spelled("/opt/", "pypi"),
        spelled("/home/", "user/"),
        spelled("/root/", ".pyenv"),
    ),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_the_repository_holds_nothing_of_where_it_was_made(kind: str) -> None:
    """Registries and mirrors are the machine's settings; the repository works with any."""
    pattern = re.compile("|".join(FOREIGN[kind]))
    found = [
        f"{named(path)}:{number}: {line.strip()[:120]}"
        for path in tracked_files()
        for number, line in enumerate(
            path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1
        )
        if pattern.search(line)
    ]

    assert found == []


def test_what_is_looked_for_would_be_found() -> None:
    samples = {
        "a registry's address": "https://" + "py" + "pi.org/simple",
        "a path of somebody's machine": "see " + "/wo" + "rk/main/api",
    }

    for kind, sample in samples.items():
        assert re.search("|".join(FOREIGN[kind]), sample)
