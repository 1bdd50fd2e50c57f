"""Whether a Python program wants the libraries that take long to load."""

import re
import sys

_IMPORTED = re.compile(rb"\bfrom[ \t]+([\w.]+)[ \t]+import\b|\bimport[ \t]+([^\n#;]+)")
_NAMED_ANYWHERE = re.compile(rb"numpy|pandas|matplotlib")
"""Such as in `__import__("pandas")`."""


def wants_libraries(source: bytes) -> bool:
    """Say whether `source` seems to import anything beyond Python's own library.

    A guess: a program runs the same whichever way it falls. Without the libraries it starts
    and ends in a small process, 5 ms sooner; a program that imports them all the same waits
    for that, about half a second.
    """
    if _NAMED_ANYWHERE.search(source):
        return True
    return any(_is_foreign(one or many) for one, many in _IMPORTED.findall(source))


def _is_foreign(names: bytes) -> bool:
    """Say whether one of `a, b.c as d` is no part of Python."""
    for name in names.split(b","):
        module = name.strip().partition(b" ")[0].partition(b".")[0]
        if module.decode(errors="replace") not in sys.stdlib_module_names:
            return True
    return False
