"""Assembles the application from what it is given."""

from collections.abc import Mapping
from typing import Any

from litestar import Litestar, Request, Router
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.plugins.pydantic import PydanticPlugin

from api.audit import AuditLog
from api.auth import Authenticator, require_key
from api.caller import Caller
from api.controllers.execution import Execution, ExecutionController
from api.controllers.files import FileController
from api.controllers.programmatic import ProgrammaticController
from api.controllers.service import ServiceController
from api.controllers.upload import UploadController
from api.descriptions import openapi_config
from api.dispatch import Dispatcher
from api.error_handlers import EXCEPTION_HANDLERS
from api.health import HealthCheck
from api.held_bodies import HeldBodies
from api.metrics import Metrics, metrics_route
from api.observed_runs import ObservedDispatcher, ObservedRounds, RunWatchers
from api.profile import Profiles
from api.programmatic import Programmatic
from api.programmatic_rounds import Rounds
from api.programmatic_store import ExecutionStore
from api.rate_limits import RateLimits, name_rate, require_rate
from api.server_timing import StepTeller, start_clock
from api.settings import ApiSettings
from storage.ports import ObjectStore
from storage.sessions import Sessions

CONTROLLERS = (
    ExecutionController,
    ProgrammaticController,
    FileController,
    ServiceController,
    UploadController,
)


def create_app(  # noqa: PLR0913 - what it is made of
    settings: ApiSettings,
    *,
    store: ObjectStore,
    sessions: Sessions,
    dispatcher: Dispatcher,
    rounds: Rounds,
    executions: ExecutionStore,
    rate_limits: RateLimits | None = None,
    storage_errors: Mapping[str, int] = {},
    bodies: HeldBodies | None = None,
) -> Litestar:
    """Build the app. Takes ports, so that a test can pass its own.

    Every route is served at `/` and at `/v1`; Litestar itself takes repeated and trailing
    slashes for one (librechat-contract 7.3 and trap 46). Requests are counted where
    `rate_limits` are given. What `storage_errors` counts is shown among the figures. `bodies`
    are those that requests hold; unset, as many as this process may.
    """
    health = HealthCheck(store, dispatcher)
    metrics = _metrics(settings, sessions, storage_errors)
    audit = _audit_log(settings, metrics)
    watchers = RunWatchers(metrics=metrics, audit=audit)
    dispatcher = ObservedDispatcher(dispatcher, watchers)
    profiles = Profiles(settings.execution_profile)
    given: dict[str, Any] = {
        "settings": settings,
        "sessions": sessions,
        "execution": Execution(
            sessions=sessions,
            dispatcher=dispatcher,
            timeout_s=settings.run_timeout_s,
            profiles=profiles,
            bodies=bodies or HeldBodies(),
            needs_hint=settings.state_strict,
        ),
        "programmatic": Programmatic(
            store=executions,
            rounds=ObservedRounds(rounds, watchers),
            timeout_s=settings.run_timeout_s,
            audit=audit,
        ),
        "health": health,
    }
    return Litestar(
        route_handlers=[
            Router("/", route_handlers=list(CONTROLLERS)),
            Router("/v1", route_handlers=list(CONTROLLERS), include_in_schema=False),
            *([metrics_route(metrics, health, access=settings.metrics)] if metrics else []),
        ],
        dependencies={
            "caller": Provide(_provide_caller),
            **{name: _provide(value) for name, value in given.items()},
        },
        guards=[start_clock, require_key, profiles.require, require_rate],
        exception_handlers=EXCEPTION_HANDLERS,
        before_send=[
            profiles.name,
            name_rate,
            *_step_tellers(settings, metrics),
            *([] if metrics is None else [metrics.count_answer]),
        ],
        cors_config=CORSConfig(allow_origins=settings.allowed_origins),
        openapi_config=openapi_config(),
        plugins=[PydanticPlugin(exclude_unset=True)],
        state=State({"authenticator": Authenticator(settings), "rate_limits": rate_limits}),
        logging_config=None,
    )


def _metrics(
    settings: ApiSettings, sessions: Sessions, storage_errors: Mapping[str, int]
) -> Metrics | None:
    if settings.metrics == "off":
        return None
    return Metrics(storage_errors=storage_errors, expired=lambda: sessions.expired_count)


def _audit_log(settings: ApiSettings, metrics: Metrics | None) -> AuditLog | None:
    if settings.audit_log_dir is None:
        return None
    failed = None if metrics is None else metrics.audit_failed
    return AuditLog(settings.audit_log_dir, failed=failed)


def _step_tellers(settings: ApiSettings, metrics: Metrics | None) -> list[StepTeller]:
    if not settings.server_timing and metrics is None:
        return []
    observe = None if metrics is None else metrics.observe
    return [StepTeller(in_header=settings.server_timing, observe=observe)]


async def _provide_caller(request: Request[Caller, Any, Any]) -> Caller:
    """Return whom the guard has let in."""
    return request.user


def _provide(value: Any) -> Provide:
    async def provide() -> Any:
        return value

    return Provide(provide)
