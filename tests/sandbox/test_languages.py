"""The language table: names, aliases and how programs start (librechat-contract 2.2)."""

import pytest

from sandbox.supervisor.languages import LANGUAGES, find_language


@pytest.mark.parametrize(
    ("lang", "name", "entry_file"),
    [
        ("py", "py", "main.py"),
        ("python", "py", "main.py"),
        ("bash", "bash", "script.sh"),
        ("sh", "bash", "script.sh"),
    ],
)
def test_every_name_and_alias_is_found(lang: str, name: str, entry_file: str) -> None:
    for spelling in (lang, lang.upper(), lang.title()):
        language = find_language(spelling)

        assert language is not None
        assert (language.name, language.entry_file) == (name, entry_file)


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
