"""The language table: names, aliases and how programs start (librechat-contract 2.2)."""

import pytest

from sandbox.supervisor.languages import BUILD, LANGUAGES, find_language

ENTRY_FILES = {
    "bash": "script.sh",
    "c": "main.c",
    "cpp": "main.cpp",
    "d": "main.d",
    "f90": "main.f90",
    "go": "main.go",
    "java": "Main.java",
    "js": "index.js",
    "node": "index.js",
    "php": "main.php",
    "py": "main.py",
    "r": "main.R",
    "rs": "main.rs",
    "ts": "main.ts",
}
ALIASES = {
    "bash": "sh",
    "cpp": "c++",
    "f90": "fortran f95",
    "go": "golang",
    "js": "javascript bun bun-js",
    "node": "nodejs node-js node-javascript",
    "py": "python",
    "rs": "rust",
    "ts": "typescript bun-ts bun-typescript",
}
"""Those of the contract's table, and the usual names of the languages that it lacks."""


@pytest.mark.parametrize(
    ("lang", "name"),
    [(name, name) for name in ENTRY_FILES]
    + [(alias, name) for name, aliases in ALIASES.items() for alias in aliases.split()],
)
def test_every_name_and_alias_is_found(lang: str, name: str) -> None:
    for spelling in (lang, lang.upper(), lang.title()):
        language = find_language(spelling)

        assert language is not None
        assert (language.name, language.entry_file) == (name, ENTRY_FILES[name])


@pytest.mark.parametrize(
    "lang", ["", " py", "py ", "py; rm", "../../x", "py\0", "pyth", "main.py", "İ", "rb"]
)
def test_anything_else_is_unknown(lang: str) -> None:
    assert find_language(lang) is None


def test_no_name_means_two_languages() -> None:
    names = [name for entry in LANGUAGES.values() for name in (entry.name, *entry.aliases)]

    assert len(names) == len(set(names))
    assert all(name == name.lower() for name in names)


def test_messages_carry_the_name_that_the_table_is_indexed_by() -> None:
    assert all(name == entry.name for name, entry in LANGUAGES.items())


def test_the_sandbox_knows_these_languages_and_no_others() -> None:
    assert LANGUAGES.keys() == ENTRY_FILES.keys()


def test_the_source_comes_where_the_command_wants_it() -> None:
    assert LANGUAGES["bash"].commands("/x/script.sh") == [("bash", "/x/script.sh")]


def test_a_compiled_program_is_compiled_first_and_into_no_ones_files() -> None:
    compile_, execute = LANGUAGES["c"].commands("/x/main.c")

    assert "/x/main.c" in compile_
    assert execute == (f"{BUILD}/program",)
