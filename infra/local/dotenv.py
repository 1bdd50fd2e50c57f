r"""The `.env` file in the checkout: settings that need not be typed every time.

One `KEY=VALUE` a line. Empty lines and lines that start with `#` are skipped, an `export `
in front is allowed, a value may stand in single or double quotes, and nothing is expanded:
`$` and `\` mean themselves. A `#` after a value belongs to the value, since keys may hold
one. What the environment already says wins over the file.
"""

import re
from pathlib import Path

from infra.local.errors import BadSettingError

_LINE = re.compile(r"^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$")


def parse_dotenv(text: str, *, source: str) -> dict[str, str]:
    """Return the settings in `text`; `source` names the file in errors.

    Raises:
        BadSettingError: A line is no setting. The line's number is told, not its text,
            which may hold a secret.
    """
    settings: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.match(line)
        if match is None:
            raise BadSettingError(f"{source}, line {number}: expected KEY=VALUE")
        settings[match[1]] = _unquoted(match[2], where=f"{source}, line {number}")
    return settings


def read_dotenv(path: Path) -> dict[str, str]:
    """Return the settings in the file at `path`, none if there is no such file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as fault:
        raise BadSettingError(f"{path} cannot be read: {fault}") from fault
    return parse_dotenv(text, source=str(path))


def _unquoted(value: str, *, where: str) -> str:
    if not value or value[0] not in "'\"":
        return value
    if len(value) == 1 or value[-1] != value[0]:
        raise BadSettingError(f"{where}: the quote is not closed")
    return value[1:-1]
