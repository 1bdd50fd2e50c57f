"""The languages, in one table: the only place that names one.

The API reads names and aliases from here, the supervisor the entry file and the commands.
Adding a language is an entry here and its packages in `sandbox/packages/apt-languages.txt`.
"""

from .lean_typing import NamedTuple

BUILD = "/run/build"
"""Where programs are compiled to: a tmpfs of the sandbox, apart from the workspace, so that no
build product is ever among a run's files."""

PROGRAM = f"{BUILD}/program"

SOURCE = "{source}"
"""Stands for the entry file's path in a command."""


class Language(NamedTuple):
    """How programs of one language are started. Arguments follow the last command."""

    name: str
    """Canonical name, as messages carry it."""
    aliases: tuple[str, ...]
    """Other accepted values of `lang`, lower case (librechat-contract 2.2)."""
    entry_file: str
    """Where the source is put, relative to the workspace."""
    command: tuple[str, ...] | None
    """What to execute. `None`: forked from the supervisor's own interpreter, which has the
    usual libraries loaded."""
    compiler: tuple[str, ...] | None = None
    """What to execute before, and to succeed, if the language is compiled."""
    compiles_large: bool = False
    """Whether what usual programs take to be compiled is more than the standard memory."""

    def commands(self, source: str) -> list[tuple[str, ...]]:
        """Return what to execute for the entry file at the path `source`, in this order."""
        steps = [step for step in (self.compiler, self.command) if step is not None]
        return [tuple(source if word == SOURCE else word for word in step) for step in steps]


def _compiled(
    name: str,
    aliases: tuple[str, ...],
    entry_file: str,
    *compiler: str,
    compiles_large: bool = False,
) -> Language:
    return Language(name, aliases, entry_file, (PROGRAM,), compiler, compiles_large)


# Optimised as far as a hello world does not notice: one level more doubles what rustc and g++
# take for it.
_ALL = (
    Language("py", ("python", "python3"), "main.py", None),
    Language(
        "js",
        ("javascript", "bun", "bun-js"),
        "index.js",
        ("bun", "--no-install", SOURCE),
    ),
    Language(
        "ts",
        ("typescript", "bun-ts", "bun-typescript"),
        "main.ts",
        ("bun", "--no-install", SOURCE),
    ),
    Language(
        "node",
        ("nodejs", "node-js", "node-javascript"),
        "index.js",
        ("node", "--require=/opt/node/require_everywhere.cjs", SOURCE),
    ),
    Language("bash", ("sh", "shell"), "script.sh", ("bash", SOURCE)),
    _compiled("c", (), "main.c", "gcc", "-O1", "-o", PROGRAM, SOURCE, "-lm", "-pthread"),
    _compiled(
        "cpp",
        ("c++", "cxx"),
        "main.cpp",
        *("g++", "-std=gnu++20", "-O1", "-o", PROGRAM, SOURCE, "-pthread"),
        compiles_large=True,
    ),
    Language(
        "java",
        (),
        "Main.java",
        (
            *("java", "-XX:SharedArchiveFile=/opt/java/launch.jsa", "-Xshare:auto"),
            *("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:MaxRAMPercentage=60"),
            *("-cp", "/opt/java/launch.jar", "Launch", SOURCE),
        ),
        compiles_large=True,
    ),
    Language("php", (), "main.php", ("php", SOURCE)),
    _compiled(
        "rs",
        ("rust",),
        "main.rs",
        *("rustc", "--edition=2021", "-Copt-level=1", "-Cdebuginfo=0", "-o", PROGRAM, SOURCE),
        compiles_large=True,
    ),
    _compiled(
        "go",
        ("golang",),
        "main.go",
        *("go", "build", "-o", PROGRAM, SOURCE),
        compiles_large=True,
    ),
    _compiled(
        "d",
        ("dlang",),
        "main.d",
        *("ldc2", "-O1", f"-od={BUILD}", f"-of={PROGRAM}", SOURCE),
        compiles_large=True,
    ),
    _compiled(
        "f90",
        ("fortran", "f95"),
        "main.f90",
        *("gfortran", "-O1", f"-J{BUILD}", "-o", PROGRAM, SOURCE),
    ),
    Language("r", (), "main.R", ("Rscript", SOURCE)),
)

LANGUAGES: dict[str, Language] = {language.name: language for language in _ALL}


def find_language(lang: str) -> Language | None:
    """Return the language that `lang` names, compared without regard to case."""
    wanted = lang.lower()
    for language in LANGUAGES.values():
        if wanted == language.name or wanted in language.aliases:
            return language
    return None
