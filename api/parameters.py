"""Parameters of paths and queries, with what the description says of them.

It describes and refuses nothing: handlers do, in the contract's order and words.
"""

from typing import Annotated, Any

from litestar.openapi.spec import OpenAPIType
from litestar.params import PathParameter, QueryParameter

from api.scopes import KINDS
from storage.records import ID_PATTERN


def _text(**more: Any) -> dict[str, Any]:
    """Describe a query's parameter, which is never null; an empty one counts as absent."""
    return {"type": OpenAPIType.STRING, "one_of": None, **more}


PathId = Annotated[str, PathParameter(schema_extra={"pattern": ID_PATTERN})]
Kind = Annotated[str | None, QueryParameter(schema_extra=_text(enum=[*KINDS, ""]))]
ResourceId = Annotated[str | None, QueryParameter(name="id", schema_extra=_text())]
Version = Annotated[str | None, QueryParameter(schema_extra=_text())]
EntityId = Annotated[
    str | None,
    QueryParameter(schema_extra=_text(pattern="^([A-Za-z0-9_.:-]{1,128})?$")),
]
Detail = Annotated[str | None, QueryParameter(schema_extra=_text())]
Limit = Annotated[
    str | None,
    QueryParameter(schema_extra=_text(pattern="^([1-9][0-9]{0,2}|1000)$")),
]
After = Annotated[str | None, QueryParameter(schema_extra=_text(pattern=ID_PATTERN))]
