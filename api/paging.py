"""Listings in pages: an addition of ours, which changes nothing for who does not ask for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from litestar import Request
from litestar.datastructures import URL

from api.errors import BadRequestError
from api.parameters import After, Detail, Limit
from storage.records import FileEntry

MAX_PAGE = 1_000
"""Entries of one page; as many as S3 lists at once."""


@dataclass(frozen=True, slots=True)
class AskedListing:
    """How, and which part of it, a client wants a listing."""

    url: URL
    detail: str | None
    """See `api.listing.list_files`."""
    limit: int | None
    """Most entries, 1 to `MAX_PAGE`; `None`: all."""
    after: str | None
    """The id of the file before the first; `None`: from the beginning."""

    def cut(self, files: Sequence[FileEntry]) -> tuple[Sequence[FileEntry], dict[str, str]]:
        """Return the page, and the header that names the next one, if there is one.

        Raises:
            BadRequestError: `after` is none of the files: it may have been deleted since.
        """
        begin = 0 if self.after is None else _behind(files, self.after)
        end = len(files) if self.limit is None else begin + self.limit
        page = files[begin:end]
        return page, self._link(page[-1].id) if end < len(files) else {}

    def _link(self, after: str) -> dict[str, str]:
        """Return the header `Link` of RFC 8288, relative to the host that was asked."""
        query = [pair for pair in self.url.query_params.multi_items() if pair[0] != "after"]
        target = f"{self.url.path}?{urlencode([*query, ('after', after)])}"
        return {"Link": f'<{target}>; rel="next"'}


def provide_asked_listing(
    request: Request[Any, Any, Any],
    detail: Detail = None,
    limit: Limit = None,
    after: After = None,
) -> AskedListing:
    """Read what is asked for.

    Raises:
        BadRequestError: `limit` is no number from 1 to `MAX_PAGE`.
    """
    most = None if limit is None else _number(limit)
    return AskedListing(request.url, detail, most, after)


def _number(limit: str) -> int:
    is_number = limit.isascii() and limit.isdigit() and len(limit) <= len(str(MAX_PAGE))
    if not is_number or not 1 <= int(limit) <= MAX_PAGE:
        raise BadRequestError("Bad request", f"limit must be a number from 1 to {MAX_PAGE}.")
    return int(limit)


def _behind(files: Sequence[FileEntry], file_id: str) -> int:
    for position, entry in enumerate(files):
        if entry.id == file_id:
            return position + 1
    raise BadRequestError("Bad request", "after is no file of this session; begin again.")
