"""What a tool is called in a program (librechat-contract 4.5 and 4.6).

LibreChat's client tells a model the same names, so these rules are the contract's.
"""

import re

# fmt: off
_HARD_KEYWORDS = frozenset({
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class",
    "continue", "def", "del", "elif", "else", "except", "finally", "for", "from",
    "global", "if", "import", "in", "is", "lambda", "nonlocal", "not", "or", "pass",
    "raise", "return", "try", "while", "with", "yield",
})
# fmt: on
"""Those of Python that are never names; `match`, `case` and `type` may be."""

# fmt: off
_SHELL_WORDS = frozenset({
    "if", "then", "else", "elif", "fi", "case", "esac", "for", "select", "while",
    "until", "do", "done", "in", "function", "time", "coproc", "return", "exit",
    "break", "continue", "shift", "export", "readonly", "local", "declare", "typeset",
    "unset", "alias", "unalias", "source", "echo", "printf", "read", "cd", "pwd",
    "kill", "trap", "wait", "eval", "exec", "jobs", "bg", "fg", "set", "let", "test",
    "true", "false",
})
# fmt: on
"""A tool of such a name has `_tool` at its end in the reference."""

# fmt: off
_CLIENTS_WORDS = frozenset({
    "if", "then", "else", "elif", "fi", "case", "esac", "for", "while", "until", "do",
    "done", "in", "function", "select", "time", "coproc", "declare", "typeset", "local",
    "readonly", "export", "unset",
})
# fmt: on
"""The client knows these alone, and tells a model the others' names as they are."""

# fmt: off
_KEPT_BUILTINS = frozenset({
    "return", "break", "continue", "shift", "exec", "builtin", "command",
})
# fmt: on
"""A function cannot stand in for these: they act on who calls them, or we need them."""

_SPACE_OR_DASH = re.compile(r"[-\s]")
_SPACE_DASH_OR_DOT = re.compile(r"[-\s.]")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")
_FALLBACK = "tool"


def python_identifier(tool: str) -> str:
    """Return the name of a tool's function in Python."""
    name = _normalized(_SPACE_OR_DASH.sub("_", tool))
    return f"{name}_tool" if name in _HARD_KEYWORDS or name == "__debug__" else name


def bash_identifier(tool: str) -> str:
    """Return the name of a tool's function in bash."""
    name = _normalized(_SPACE_DASH_OR_DOT.sub("_", tool))
    is_taken = name in _SHELL_WORDS or name.lower().startswith("_ptc_")
    return f"{name}_tool" if is_taken or name in {"builtin", "command"} else name


def bash_alias(tool: str) -> str | None:
    """Return the name of a builtin that the client gives a tool, if it is another name.

    The function of that name leaves the builtin what is no call: see `bash_stubs`.
    """
    name = _normalized(_SPACE_DASH_OR_DOT.sub("_", tool))
    is_alias = name in _SHELL_WORDS - _CLIENTS_WORDS - _KEPT_BUILTINS
    return name if is_alias else None


def _normalized(text: str) -> str:
    name = _NOT_IN_NAMES.sub("", text)
    if name[:1].isdigit():
        name = f"_{name}"
    return name or _FALLBACK
