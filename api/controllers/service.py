"""`GET` and `HEAD /health` (librechat-contract 2.1), and `GET /ready`."""

from litestar import Controller, HttpMethod, Response, get, head
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE

from api.allowed_methods import allowing
from api.auth import PUBLIC
from api.health import HealthAnswer, HealthCheck, ReadyAnswer


class ServiceController(Controller):
    """About the service itself."""

    tags = ("service",)
    options_of_health = allowing("/health", HttpMethod.GET, HttpMethod.HEAD)

    @get(
        "/health",
        opt={PUBLIC: True},
        security=[{}],
        responses={
            HTTP_503_SERVICE_UNAVAILABLE: ResponseSpec(
                HealthAnswer,
                description="A part that runs need is down",
                generate_examples=False,
            )
        },
        summary="Say which part is up",
    )
    async def health(self, health: NamedDependency[HealthCheck]) -> Response[HealthAnswer]:
        """Answer 200 when programs can be run, 503 when they cannot. Needs no key."""
        answer = await health.ask()
        return Response(answer, status_code=_status_of(answer))

    @get(
        "/ready",
        opt={PUBLIC: True},
        security=[{}],
        responses={
            HTTP_503_SERVICE_UNAVAILABLE: ResponseSpec(
                ReadyAnswer, description="They cannot", generate_examples=False
            )
        },
        summary="Say of each part how it is",
    )
    async def ready(self, health: NamedDependency[HealthCheck]) -> Response[ReadyAnswer]:
        """Answer 200 when programs can be run, 503 when they cannot. Needs no key."""
        answer = await health.ask_all()
        is_ready = answer.status == "ready"
        return Response(
            answer, status_code=HTTP_200_OK if is_ready else HTTP_503_SERVICE_UNAVAILABLE
        )

    @head(
        "/health",
        opt={PUBLIC: True},
        security=[{}],
        responses={
            HTTP_503_SERVICE_UNAVAILABLE: ResponseSpec(
                None, description="They cannot", generate_examples=False
            )
        },
        summary="Say whether programs can be run",
    )
    async def head_of_health(self, health: NamedDependency[HealthCheck]) -> Response[None]:
        """Answer as `GET` does, with the status alone, as some probes ask."""
        return Response(None, status_code=_status_of(await health.ask()))


def _status_of(answer: HealthAnswer) -> int:
    return HTTP_503_SERVICE_UNAVAILABLE if answer.status == "down" else HTTP_200_OK
