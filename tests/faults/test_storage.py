"""The object store stands still, or its disk is full; and a client trickles meanwhile.

The store looks at its disk once a minute and a client is waited for half a minute, so all of
it is begun first and looked at last. Nothing here harms the others.
"""

from collections.abc import Iterator

import pytest

from tests.faults.aftermath import comes_back_whole
from tests.faults.outages import ask_until_well, health, measured, outage
from tests.faults.slow_client import TricklingUpload
from tests.faults.storage_faults import (
    MAKE_A_FILE,
    Crowded,
    StandingStill,
    crowded_service,
)
from tests.live.running_service import RunningService, eventually
from tests.live.running_service_caller import Caller

pytestmark = pytest.mark.docker

TOLD_WITHIN_S = 12
"""Reads wait 4 s, and again after a broken connection; a run with files takes two turns."""

UPLOAD_TOLD_WITHIN_S = 7
TRICKLE_S = 30
"""Longest time for the first MiB of a body (`api.body`)."""


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowded]:
    with crowded_service(tmp_path_factory.mktemp("small") / "disk") as crowded:
        yield crowded


@pytest.fixture(scope="module")
def whole(service: RunningService) -> Iterator[Caller]:
    """A client of the shared service, which must come back whole as well."""
    with comes_back_whole(service) as caller:
        yield caller


@pytest.fixture(scope="module")
def trickling(service: RunningService, whole: Caller) -> TricklingUpload:
    upload = TricklingUpload(service, whole)
    upload.begin()
    return upload


@pytest.fixture(scope="module")
def standing_still(service: RunningService, whole: Caller) -> Iterator[StandingStill]:
    still = StandingStill(service, whole)
    yield still
    still.go_on()


@pytest.fixture(autouse=True)
def caller(
    trickling: TricklingUpload, standing_still: StandingStill, crowded: Crowded
) -> Caller:
    """Begin all of it; what comes after a fault is looked at when the module ends."""
    assert trickling.service is standing_still.service
    return crowded.caller


class TestFullDisk:
    def test_it_is_told_and_what_needs_no_space_goes_on(self, crowded: Crowded) -> None:
        assert outage(crowded.upload) == "Error uploading files"
        told = crowded.run_with_files.json()["artifact_delivery"]
        assert (told["status"], told["delivered"]) == ("failed", 0)
        assert "lost, because storage failed" in crowded.run_with_files.json()["stderr"]
        assert crowded.run_with_files.json()["files"] == []
        assert crowded.run_without.json()["stdout"] == "1\n"
        assert crowded.download.content == bytes(1 << 20)


@pytest.mark.case(57)
class TestStandingStill:
    def test_it_is_told_by_each_route_and_by_health_and_used_when_it_goes_on(
        self, standing_still: StandingStill
    ) -> None:
        still = standing_still
        eventually(
            lambda: (
                health(still.service)["parts"]
                == {"storage": "down", "broker": "up", "executors": 1, "engine": "up"}
            ),
            "health says so",
        )
        # What needs no files runs on.
        assert still.caller.run("print(1)")["stdout"] == "1\n"

        errors = {text: answer.result(timeout=60) for text, answer in still.answers.items()}

        assert [outage(answer) for answer in errors.values()] == list(errors)
        took_s = {text: answer.elapsed.total_seconds() for text, answer in errors.items()}
        print(took_s)  # noqa: T201 - figures to follow
        assert max(took_s.values()) < TOLD_WITHIN_S
        assert took_s["Error uploading files"] < UPLOAD_TOLD_WITHIN_S
        still.go_on()
        with measured("an object store that stood still"):
            ask_until_well(still.asked["session_input_source_failed"])


class TestTricklingClient:
    def test_it_is_told_after_half_a_minute(self, trickling: TricklingUpload) -> None:
        answer = trickling.answered(TRICKLE_S + 5)

        assert answer.startswith(b"HTTP/1.1 504 ")
        assert b'"error":"Upload timeout"' in answer


class TestDiskWithSpaceAgain:
    """Last, since the object store looks at the disk's space once a minute."""

    def test_it_is_used(self, crowded: Crowded) -> None:
        caller = crowded.caller

        with measured("a disk with space again"):
            ask_until_well(lambda: caller.http.post("/exec", json=MAKE_A_FILE))

            ask_until_well(
                lambda: caller.http.post("/upload", files={"file": ("b", bytes(8 << 20))})
            )
        assert caller.download(crowded.kept) == bytes(1 << 20)
