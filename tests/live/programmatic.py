"""A client of programs that call tools, as LibreChat's server is one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.live.running_service_caller import Caller

Tool = Callable[[dict[str, Any]], Any]


class ToolFailedError(Exception):
    """Raised by a tool: the program is told so."""


@dataclass
class Programs:
    """Runs programs with the tools that it has."""

    caller: Caller
    tools: Mapping[str, Tool]
    rounds: list[list[dict[str, Any]]] = field(default_factory=list[list[dict[str, Any]]])
    """The calls of each round of the last program."""
    partial: list[str] = field(default_factory=list[str])

    def run(self, code: str, lang: str = "python", **more: Any) -> Any:
        """Run a program to its end; return the last answer."""
        self.rounds, self.partial = [], []
        answer = self.begin(code, lang, **more)
        while answer["status"] == "tool_call_required":
            self.rounds.append(answer["tool_calls"])
            self.partial.append(answer.get("partial_stdout", ""))
            results = [self.called(call) for call in answer["tool_calls"]]
            answer = self.carry_on(answer["continuation_token"], results)
        return answer

    def begin(self, code: str, lang: str = "python", **more: Any) -> Any:
        """Run it as far as it comes without a tool."""
        tools = [
            {"name": name, "parameters": {"type": "object", "properties": {"value": {}}}}
            for name in self.tools
        ]
        return _ok(self.post({"code": code, "lang": lang, "tools": tools, **more}))

    def carry_on(self, token: str, results: list[dict[str, Any]]) -> Any:
        """Go on with it; that must be a 200."""
        return _ok(self.post({"continuation_token": token, "tool_results": results}))

    def post(self, body: Any, **headers: str) -> httpx.Response:
        return self.caller.http.post("/exec/programmatic", json=body, headers=headers)

    def called(self, call: dict[str, Any]) -> dict[str, Any]:
        """Call a tool; return what the program is told."""
        try:
            value = self.tools[call["name"]](call["input"])
        except ToolFailedError as failed:
            told = {"result": None, "is_error": True, "error_message": str(failed)}
        else:
            told = {"result": value, "is_error": False}
        return {"call_id": call["id"], **told}


def repeat(given: dict[str, Any]) -> Any:
    """A tool that gives back what it was given."""
    return given.get("value")


def fail(_given: dict[str, Any]) -> Any:
    """A tool that fails."""
    raise ToolFailedError("upstream exploded")


def programs(caller: Caller) -> Programs:
    """Return a client with some tools."""
    return Programs(
        caller, {"repeat": repeat, "get-weather": lambda _: {"temp": 14}, "bad_tool": fail}
    )


def result(number: int, value: Any = 1) -> dict[str, Any]:
    return {"call_id": f"call_{number:03}", "result": value}


def _ok(answer: httpx.Response) -> Any:
    assert answer.status_code == httpx.codes.OK, answer.text
    return answer.json()
