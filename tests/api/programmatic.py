"""Asks for programs that call tools, of an app whose state is in a real Valkey."""

import json
from collections.abc import AsyncIterator
from typing import Any

from executor.tool_messages import PendingCall, Waiting
from tests.api.service import KEY, Connection, Service

TOOL = {"name": "get-weather", "parameters": {"type": "object", "properties": {"city": {}}}}
PROGRAM = {"code": "await get_weather()", "tools": [TOOL]}


def waiting(*numbers: int) -> Waiting:
    """What an executor tells of a program that waits for these calls."""
    calls = tuple(
        PendingCall(number=number, tool="get-weather", input='{"city":"Lund"}')
        for number in numbers or (1,)
    )
    return Waiting(run_id="held", executor="one", calls=calls, stdout="looking\n", stderr="")


def given(*numbers: int, **more: Any) -> list[dict[str, Any]]:
    """Answers to these calls."""
    return [{"call_id": f"call_{number:03}", "result": number, **more} for number in numbers]


async def ask(
    service: Service,
    body: Any,
    *,
    path: str = "/exec/programmatic",
    key: str = KEY,
    **headers: str,
) -> tuple[int, Any]:
    """Send one request; return status and body."""
    connection = Connection(service.app, "POST", path, key=key, **headers)

    async def pieces() -> AsyncIterator[bytes]:
        yield body if isinstance(body, bytes) else json.dumps(body).encode()

    await connection.ask(pieces())
    return connection.status, connection.json


async def held(service: Service, *numbers: int) -> str:
    """Begin a program that waits; return its token."""
    service.dispatcher.outcome = lambda _: waiting(*numbers)
    status, body = await ask(service, PROGRAM)
    assert status == 200, body
    return body["continuation_token"]


async def carry_on(service: Service, token: str, results: Any, **more: Any) -> tuple[int, Any]:
    return await ask(service, {"continuation_token": token, "tool_results": results}, **more)
