"""The description in OpenAPI is true: whatever it allows or forbids, asked of the real API."""

from typing import Any

import anyio
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.api.service import KEY, make_service

service = make_service()
schema = schemathesis.openapi.from_asgi("/schema/openapi.json", service.app)
schema.config.generation.modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
schema.config.generation.deterministic = True

NOT_PROMISED = [
    # What a request has beyond the description is ignored: clients of all ages send more.
    negative_data_rejection,
    # A file must be there, a skill have a version: rules between fields, which it cannot say.
    positive_data_acceptance,
]
LET_IN = {"X-API-Key": KEY}


# It asks a Redis, and here is none: a 503, rightly. tests/live/test_programmatic.py has one.
NEEDS_REDIS = "/exec/programmatic/cancel"


# Beside these, each operation is asked what its description alone suggests: every parameter
# missing, empty, too long, of another type …
generated = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@schema.exclude(path=NEEDS_REDIS).parametrize()  # pyright: ignore[reportUntypedFunctionDecorator] - the library's
@generated
def test_no_request_is_a_fault_and_every_answer_is_as_described(case: Case[Any]) -> None:
    case.call_and_validate(headers=LET_IN, excluded_checks=NOT_PROMISED)


@schema.include(path_regex="session_id").parametrize()  # pyright: ignore[reportUntypedFunctionDecorator] - the library's
@generated
def test_so_it_is_where_the_session_and_the_file_are_there(case: Case[Any]) -> None:
    entry = anyio.run(service.store_file, "reports/e\u0301 1.csv", b"a,b\n")
    case.path_parameters = {"session_id": entry.storage_session_id, "file_id": entry.id}

    case.call_and_validate(headers=LET_IN, excluded_checks=NOT_PROMISED)
