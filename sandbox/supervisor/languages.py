"""The languages, in one table: the only place that names one.

The API reads names and aliases from here, the supervisor the entry file and the command.
"""

from typing import NamedTuple


class Language(NamedTuple):
    """How programs of one language are started."""

    name: str
    """Canonical name, as messages carry it."""
    aliases: tuple[str, ...]
    """Other accepted values of `lang`, lower case (librechat-contract 2.2)."""
    entry_file: str
    """Where the source is put, relative to the workspace."""
    command: tuple[str, ...] | None
    """What to execute, before the entry file and the arguments. `None`: forked from the
    supervisor's own interpreter, which has the usual libraries loaded."""


LANGUAGES: dict[str, Language] = {
    language.name: language
    for language in (
        Language("py", ("python",), "main.py", None),
        Language("bash", ("sh",), "script.sh", ("bash",)),
    )
}


def find_language(lang: str) -> Language | None:
    """Return the language that `lang` names, compared without regard to case."""
    wanted = lang.lower()
    for language in LANGUAGES.values():
        if wanted == language.name or wanted in language.aliases:
            return language
    return None
