"""Makes, lists and revokes API keys: `./code-command keys`, or `python -m api.manage_keys`.

A running API sees the change within a second.
"""

import argparse
import fcntl
import os
import re
import secrets
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from api.key_file import (
    TENANT,
    KeyFileContent,
    KeyFileError,
    KeyRecord,
    key_digest,
    read_key_file,
)
from api.rates import BUCKETS, parse_rate
from executor.messages import MemoryClass

KEY_PREFIX = "cc_"
"""Tells people, and programs that look for leaked secrets, what it is."""

_ID_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_LIFE = re.compile(r"([1-9][0-9]{0,4})([hd])")


def main(
    arguments: Sequence[str], path: Path | None, *, program: str = "code-command keys"
) -> int:
    """Carry out one command on the file at `path`; return the exit code.

    `program` is what its user has typed before the arguments.
    """
    parser = _parser(program)
    options = parser.parse_args(arguments)
    if path is None:
        parser.error("CODE_API_KEYS_FILE is not set: it says where the keys are")
    try:
        match options.command:
            case "create":
                return _create(path, options)
            case "revoke":
                return _revoke(path, options.id)
            case _:
                return _list(path)
    except KeyFileError as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    except OSError as fault:
        sys.stderr.write(f"{path} cannot be written: {fault.strerror}\n")
        return 1


def _create(path: Path, options: argparse.Namespace) -> int:
    key = f"{KEY_PREFIX}{secrets.token_urlsafe(32)}"
    now = datetime.now(UTC).replace(microsecond=0)
    try:
        record = KeyRecord(
            id="".join(secrets.choice(_ID_ALPHABET) for _ in range(8)),
            sha256=key_digest(key),
            tenant=options.tenant,
            name=options.name,
            created_at=now,
            expires_at=now + options.expires_in if options.expires_in else None,
            rates=dict(options.limit),
            memory_class=options.memory_class,
        )
    except ValidationError as fault:
        error = fault.errors(include_input=False, include_url=False)[0]
        sys.stderr.write(f"--{error['loc'][0] if error['loc'] else 'limit'}: {error['msg']}\n")
        return 2
    _change(path, lambda keys: (*keys, record))
    sys.stderr.write(f"key {record.id} of the tenant {record.tenant}; it is shown this once:\n")
    sys.stdout.write(f"{key}\n")
    return 0


def _revoke(path: Path, key_id: str) -> int:
    def without(keys: tuple[KeyRecord, ...]) -> tuple[KeyRecord, ...]:
        left = tuple(record for record in keys if record.id != key_id)
        if len(left) == len(keys):
            raise KeyFileError(f"there is no key {key_id!r}; `keys list` names those there are")
        return left

    _change(path, without)
    sys.stdout.write(f"revoked {key_id}: it opens nothing within a second\n")
    return 0


def _list(path: Path) -> int:
    keys = read_key_file(path).keys
    if not keys:
        sys.stdout.write("no keys yet: make one with `keys create --tenant NAME`\n")
        return 0
    rows = [("ID", "TENANT", "NAME", "CREATED", "EXPIRES", "LIMITS"), *map(_row, keys)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    return 0


def _row(record: KeyRecord) -> tuple[str, ...]:
    limits = [f"{bucket}={rate}" for bucket, rate in record.rates.items()]
    if record.memory_class:
        limits.append(f"memory={record.memory_class.value}")
    expires = f"{record.expires_at:%Y-%m-%d %H:%M}" if record.expires_at else "never"
    if record.expires_at and record.expires_at <= datetime.now(UTC):
        expires = "expired"
    return (
        record.id,
        record.tenant,
        record.name or "-",
        f"{record.created_at:%Y-%m-%d %H:%M}",
        expires,
        " ".join(limits) or "-",
    )


def _change(
    path: Path, change: Callable[[tuple[KeyRecord, ...]], tuple[KeyRecord, ...]]
) -> None:
    """Replace the file in one step; two commands at once do not undo each other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        content = KeyFileContent(keys=change(read_key_file(path).keys))
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            if path.exists():  # The API may run as somebody else, who must go on reading it.
                there = path.stat()
                os.fchmod(descriptor, there.st_mode & 0o777)
                os.fchown(descriptor, there.st_uid, there.st_gid)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(content.model_dump_json(indent=2) + "\n")
                file.flush()
                os.fsync(descriptor)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description="Create, list and revoke API keys. They are kept as digests.",
        epilog=f"`{program} create --help` has its options.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    create = commands.add_parser("create", help="make a key, and print it once")
    create.add_argument("--tenant", type=_tenant, required=True, help="whose files it reaches")
    create.add_argument("--name", default="", help="what it is for, to tell it by in lists")
    create.add_argument(
        "--limit",
        action="append",
        default=[],
        type=_limit,
        metavar="BUCKET=RATE",
        help=f"{', '.join(BUCKETS)}, as exec=100/30s or exec=off; may be repeated",
    )
    create.add_argument(
        "--memory-class",
        type=_memory_class,
        metavar="CLASS",
        help=f"of its runs: {' or '.join(MemoryClass)}; unset, the program decides",
    )
    create.add_argument(
        "--expires-in", type=_life, metavar="TIME", help="as 90d or 12h; unset: never"
    )
    commands.add_parser("list", help="list the keys, without the keys")
    revoke = commands.add_parser("revoke", help="end a key")
    revoke.add_argument("id", help="as `keys list` has it")
    return parser


def _tenant(text: str) -> str:
    if not re.fullmatch(TENANT, text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no tenant: 1 to 64 letters, digits, `_` and `-`"
        )
    return text


def _memory_class(text: str) -> MemoryClass:
    try:
        return MemoryClass(text)
    except ValueError as fault:
        known = " nor ".join(MemoryClass)
        raise argparse.ArgumentTypeError(f"{text!r} is neither {known}") from fault


def _limit(text: str) -> tuple[str, str]:
    bucket, separator, rate = text.partition("=")
    if not separator or bucket not in BUCKETS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not as exec=100/30s; there are {', '.join(BUCKETS)}"
        )
    try:
        parse_rate(rate)
    except ValueError as fault:
        raise argparse.ArgumentTypeError(str(fault)) from fault
    return bucket, rate


def _life(text: str) -> timedelta:
    found = _LIFE.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not as 90d or 12h")
    return timedelta(**{"hours" if found[2] == "h" else "days": int(found[1])})


if __name__ == "__main__":
    named = os.environ.get("CODE_API_KEYS_FILE")
    place = Path(named) if named else None
    sys.exit(main(sys.argv[1:], place, program="python3 -m api.manage_keys"))
