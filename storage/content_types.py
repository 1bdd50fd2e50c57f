"""Which media type a file has, judged by its name."""

import mimetypes
from pathlib import PurePosixPath

UNKNOWN_TYPE = "application/octet-stream"

# Only Python's built-in table, never the machine's files: the same name must mean the same
# type on every host. What that table lacks, or knows only in newer versions, is added.
_TYPES = mimetypes.MimeTypes().types_map[True] | {
    ".7z": "application/x-7z-compressed",
    ".bz2": "application/x-bzip2",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".gz": "application/gzip",
    ".ipynb": "application/x-ipynb+json",
    ".jsonl": "application/x-ndjson",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".odp": "application/vnd.oasis.opendocument.presentation",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".parquet": "application/vnd.apache.parquet",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".sqlite": "application/vnd.sqlite3",
    ".toml": "application/toml",
    ".ts": "text/plain",  # A program here, rather than a transport stream.
    ".webp": "image/webp",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xz": "application/x-xz",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}


def content_type_of(name: str) -> str:
    """Guess the media type of the file `name` from its ending, in either case."""
    return _TYPES.get(PurePosixPath(name).suffix.lower(), UNKNOWN_TYPE)
