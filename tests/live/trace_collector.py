"""What receives traces in tests: OTLP over HTTP, as any collector takes them."""

from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from typing_extensions import override


class Span(NamedTuple):
    """One span as it came."""

    service: str
    name: str
    trace_id: str
    id: str
    parent_id: str
    took_s: float


class Collector:
    """Keeps everything that it was sent."""

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[bytes] = []

    @property
    def spans(self) -> list[Span]:
        """All spans so far."""
        found: list[Span] = []
        for body in self.bodies[:]:
            request = ExportTraceServiceRequest.FromString(body)
            for resource in request.resource_spans:
                told = {each.key: each.value for each in resource.resource.attributes}
                found += [
                    Span(
                        told["service.name"].string_value,
                        span.name,
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                    )
                    for scope in resource.scope_spans
                    for span in scope.spans
                ]
        return found

    def of_trace(self, trace_id: str) -> dict[str, Span]:
        """The spans of one trace by name; of several, the last."""
        return {span.name: span for span in self.spans if span.trace_id == trace_id}


@contextmanager
def trace_collector() -> Generator[Collector, None, None]:
    """Run one on a port of its own until the block ends."""
    collector = Collector()

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            collector.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Taker) as server:
        Thread(target=server.serve_forever).start()
        collector.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield collector
        finally:
            server.shutdown()
