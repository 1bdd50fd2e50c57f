"""The form that every refusal has, whatever was refused."""

from typing import Any

import httpx


def refusal(answer: httpx.Response, status: int) -> Any:
    """Check an answer: the status, and a JSON object with an `error` that is text.

    Returns:
        The object.
    """
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].partition(";")[0] == "application/json"
    body = answer.json()
    assert isinstance(body, dict)
    assert isinstance(body["error"], str)
    assert body["error"]
    assert all(isinstance(text, str) for text in body.values())
    assert "Traceback" not in answer.text
    assert "site-packages" not in answer.text
    return body


def error(answer: httpx.Response, status: int) -> str:
    """Check an answer as `refusal` does; return its `error`."""
    return refusal(answer, status)["error"]
