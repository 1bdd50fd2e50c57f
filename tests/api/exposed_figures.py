"""The figures that the API shows, from the API itself."""

import re

from api.dispatch import Readiness
from tests.api.service import executor_status, make_client, make_service, make_settings


def exposed_figures() -> str:
    """Return all that `/metrics` shows once something has happened."""
    service = make_service(
        make_settings(metrics="open"), storage_errors={"put": 1, "open": 1, "read": 1}
    )
    status = executor_status().model_copy(update={"instance_id": "one-12345678"})
    service.dispatcher.state = Readiness(broker_up=True, executors=(status,), queue_length=1)
    client = make_client(service)
    client.post("/exec", json={"lang": "py", "code": "1"})
    client.post("/exec", json={"lang": "py", "code": "1"}, headers={"X-API-Key": "none"})
    return client.get("/metrics").text


def shown(figures: str) -> set[str]:
    """Return every name, with what Prometheus keeps of a histogram."""
    families = re.findall(r"^# TYPE (code_command_\w+) (\w+)$", figures, re.MULTILINE)
    names = {name for name, _ in families if not name.endswith("_created")}
    for name, kind in families:
        if kind == "histogram":
            names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")}
    return names


def labels_of(figures: str, name: str) -> set[str]:
    """Return the labels that a figure has."""
    series = re.findall(rf"^{name}\{{([^}}]*)\}}", figures, re.MULTILINE)
    return {label for text in series for label in re.findall(r'(\w+)="', text)}
