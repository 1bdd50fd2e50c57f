"""One round of a program that calls a tool: from the result to the next call.

The client's tools take no time here. With a pause before, the sandbox is frozen by then, and
what thawing takes is in the figure.
"""

import json
import time

from tests.bench.cases import Bench, Case, Rows
from tests.bench.client import Answer, Client
from tests.bench.reports import BenchError
from tests.bench.rows import Row, Unit, at_most

TOOLS = [{"name": "next", "parameters": {"type": "object", "properties": {"n": {}}}}]
PROGRAMS = {
    "python": "for n in range(COUNT): await next(n=n)",
    "bash": 'for ((n = 0; n < COUNT; n++)); do next "{\\"n\\":$n}" > /dev/null; done',
}
TARGET_MS = 15.0
FROZEN_AFTER_S = 0.4
"""Twice what freezing waits for, and more than it takes."""


def _post(client: Client, body: object) -> Answer:
    text = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    return client.ask("POST", "/exec/programmatic", text, headers)


def _rounds(client: Client, lang: str, count: int, *, pause_s: float) -> tuple[float, ...]:
    """Take a program through `count` rounds to its end; return what each took."""
    code = PROGRAMS[lang].replace("COUNT", str(count))
    answer = _post(client, {"code": code, "lang": lang, "tools": TOOLS}).json()
    took_ms: list[float] = []
    while answer["status"] == "tool_call_required":
        results = [{"call_id": call["id"], "result": 1} for call in answer["tool_calls"]]
        body = {"continuation_token": answer["continuation_token"], "tool_results": results}
        time.sleep(pause_s)
        told = _post(client, body)
        took_ms.append(told.took_ms)
        answer = told.json()
    if answer["status"] != "completed" or len(took_ms) != count:
        raise BenchError(f"the program failed: {json.dumps(answer)[:200]}")
    return tuple(took_ms[:-1])  # The last one is the program's end.


def _measure(bench: Bench) -> Rows:
    for lang in PROGRAMS:
        for pause_s, count in (
            (0.0, bench.times(100, 10)),
            (FROZEN_AFTER_S, bench.times(20, 3)),
        ):
            name = f"a round of {lang}" + (", frozen before" if pause_s else "")
            bench.say(name)
            bench.subject.rest.wait()
            with bench.subject.client() as client:
                samples = _rounds(client, lang, count, pause_s=pause_s)
            is_target = lang == "python" and not pause_s
            targets = (at_most(TARGET_MS),) if is_target else ()
            yield Row(name=name, unit=Unit.MS, ours=samples, targets=targets)


CASES = (Case(name="programmatic", measure=_measure),)
