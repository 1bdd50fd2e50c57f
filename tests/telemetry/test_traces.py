"""Traces are off by default, and then what makes and sends them is not even imported."""

import subprocess
import sys

import pytest

from infra.local.config import CHECKOUT
from telemetry import traces
from tests.live.running_service import eventually
from tests.live.trace_collector import trace_collector

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_without_an_endpoint_nothing_that_makes_or_sends_them_is_imported() -> None:
    code = (
        "import sys, api.__main__, executor.__main__\n"
        "from telemetry import traces\n"
        "traces.set_up_traces(None, service='x')()\n"
        "with traces.span('a'): traces.note(b=1); assert traces.traceparent() == ''\n"
        "known = ('opentelemetry.sdk.trace', 'opentelemetry.exporter')\n"
        "print([name for name in sys.modules if name.startswith(known)])"
    )
    said = subprocess.run(
        (sys.executable, "-c", code), cwd=CHECKOUT, capture_output=True, check=True, text=True
    )

    assert said.stdout == "[]\n"


def test_where_it_is_not_installed_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)

    with pytest.raises(
        traces.TracesError, match=r"pip install --require-hashes -r requirements/traces\.txt"
    ):
        traces.set_up_traces("http://127.0.0.1:1", service="x")


@pytest.mark.parametrize("given", [PARENT, ""])
def test_a_strangers_parent_is_taken_if_it_is_one(given: str) -> None:
    assert traces.valid_parent(given) == given


@pytest.mark.parametrize("given", ["x", PARENT + "0", PARENT.upper(), PARENT + "\n"])
def test_what_is_none_is_not(given: str) -> None:
    assert traces.valid_parent(given) == ""


def test_an_error_is_shown_by_its_kind_alone() -> None:
    with trace_collector() as collector:
        end = traces.set_up_traces(collector.url, service="tests")
        child = ""

        def fail() -> None:
            nonlocal child
            with traces.span("outer", parent=PARENT):
                child = traces.traceparent()
                with traces.span("inner"):
                    raise ValueError("marked-as-secret")

        with pytest.raises(ValueError, match="marked"):
            fail()
        end()
        eventually(lambda: len(collector.spans) == 2)

    spans = {span.name: span for span in collector.spans}
    assert spans["outer"].trace_id == PARENT.split("-")[1]
    assert spans["outer"].parent_id == PARENT.split("-")[2]
    assert spans["inner"].parent_id == spans["outer"].id
    assert child.split("-")[2] == spans["outer"].id
    sent = b"".join(collector.bodies)
    assert b"ValueError" in sent
    assert b"marked-as-secret" not in sent
    assert traces.traceparent() == ""
