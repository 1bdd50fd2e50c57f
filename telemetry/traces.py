"""Spans of OpenTelemetry, where the operator has them sent somewhere; else nothing at all.

Nothing of OpenTelemetry is imported before `set_up_traces`: it is an extra (`traces` in
pyproject.toml). A span has ids, sizes and outcomes. Of an error it has the kind alone: messages
may hold more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

SpanKind = Literal["internal", "server", "client", "producer", "consumer"]
Attributes = Mapping[str, str | int | float | bool]

TRACEPARENT = r"^(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})?$"
"""How a span is named to another process (W3C Trace Context); empty where there is none."""

_NOTHING: AbstractContextManager[None] = nullcontext()
_provider: TracerProvider | None = None
_tracer: Tracer | None = None


class TracesError(Exception):
    """Traces are wanted, and the packages for them are not installed."""


def set_up_traces(endpoint: str | None, *, service: str) -> Callable[[], None]:
    """Send spans to `endpoint` from now on, as OTLP over HTTP; `None` sends none.

    What else the OpenTelemetry SDK reads from the environment (`OTEL_EXPORTER_OTLP_HEADERS`,
    `OTEL_TRACES_SAMPLER`, ...) it reads itself.

    Returns:
        What sends the last spans and ends it; to be called when the process does.

    Raises:
        TracesError: See there. The message says what to do.
    """
    if not endpoint:
        return lambda: None
    global _provider, _tracer  # noqa: PLW0603 - one a process, as OpenTelemetry itself has
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as fault:
        raise TracesError(
            "OTEL_EXPORTER_OTLP_ENDPOINT: is set, but OpenTelemetry is not installed: "
            ".venv/bin/python -m pip install --require-hashes -r requirements/traces.txt"
            f" ({fault})"
        ) from fault
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    _provider = TracerProvider(resource=Resource.create({"service.name": service}))
    _provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = _provider.get_tracer("code-command")
    return _shut_down


def _shut_down() -> None:
    global _provider, _tracer  # noqa: PLW0603 - see `set_up_traces`
    if _provider is not None:
        _provider.shutdown()
    _provider = _tracer = None


def span(
    name: str,
    *,
    kind: SpanKind = "internal",
    parent: str = "",
    attributes: Attributes | None = None,
) -> AbstractContextManager[None]:
    """Make a span of what the block does, within the one that is open in this task.

    Args:
        name: One of few: what varies is an attribute.
        kind: As OpenTelemetry has them.
        parent: The span of another process that this one belongs to, as `traceparent` gave it.
        attributes: What else is to be known.
    """
    if _tracer is None:
        return _NOTHING
    return _span(_tracer, name, kind=kind, parent=parent, attributes=attributes or {})


def storage_span(operation: str) -> AbstractContextManager[None]:
    """Make a span of a call to object storage; none of those that only ask whether it is up."""
    return _NOTHING if operation == "check" else span(f"s3.{operation}", kind="client")


@contextmanager
def _span(
    tracer: Tracer, name: str, *, kind: SpanKind, parent: str, attributes: Attributes
) -> Generator[None, None, None]:
    from opentelemetry.trace import SpanKind as Kind  # noqa: PLC0415 - see the module
    from opentelemetry.trace import StatusCode  # noqa: PLC0415 - see the module

    with tracer.start_as_current_span(
        name,
        context=_context_of(parent),
        kind=Kind[kind.upper()],
        attributes=dict(attributes),
        record_exception=False,
        set_status_on_exception=False,
    ) as opened:
        try:
            yield
        except BaseException as fault:
            opened.set_status(StatusCode.ERROR, type(fault).__name__)
            raise


def note(**attributes: str | float) -> None:
    """Add to the span that is open in this task, if there is one."""
    if _tracer is None:
        return
    from opentelemetry.trace import get_current_span  # noqa: PLC0415 - see the module

    get_current_span().set_attributes(attributes)


def past_span(
    name: str, *, ended_at: float, took_ms: float, attributes: Attributes | None = None
) -> None:
    """Make a span of what has ended by now; `ended_at` is Unix time, seconds."""
    if _tracer is None:
        return
    ended_ns = int(ended_at * 1e9)
    opened = _tracer.start_span(
        name, start_time=ended_ns - int(took_ms * 1e6), attributes=dict(attributes or {})
    )
    opened.end(end_time=ended_ns)


def traceparent() -> str:
    """Name the span that is open in this task to another process; empty where there is none."""
    if _tracer is None:
        return ""
    from opentelemetry.trace import get_current_span  # noqa: PLC0415 - see the module

    context = get_current_span().get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def valid_parent(given: str) -> str:
    """Return what a stranger gives as the span that his request belongs to, if it is one."""
    return given if re.fullmatch(TRACEPARENT, given) else ""


def _context_of(parent: str) -> Context | None:
    if not parent:
        return None
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - see the module
        TraceContextTextMapPropagator,
    )

    return TraceContextTextMapPropagator().extract({"traceparent": parent})
