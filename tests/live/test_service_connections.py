"""Where the service looks for object storage and broker: an API told otherwise sees others."""

import re

import pytest

from tests.live.running_service import RunningService, eventually, free_port
from tests.live.running_service_altered import broker_url, lone_api, s3_listener

pytestmark = pytest.mark.docker


class TestStorage:
    def test_s3_is_asked_at_its_address_with_its_key_for_its_region(
        self, service: RunningService
    ) -> None:
        with s3_listener() as (address, signed):
            told = {
                "S3_ENDPOINT_URL": address,
                "S3_REGION": "eu-north-7",
                "S3_ACCESS_KEY_ID": "another-key",
            }
            with lone_api(service, told) as client:
                assert client.get("/health").json()["parts"]["storage"] == "down"

        credential = r"AWS4-HMAC-SHA256 Credential=another-key/\d{8}/eu-north-7/s3/aws4_request"
        assert signed
        assert all(re.match(credential, signature) for signature in signed)

    @pytest.mark.parametrize(
        ("told", "state"), [({}, "up"), ({"S3_SECRET_ACCESS_KEY": "x"}, "down")]
    )
    def test_the_right_secret_opens_it_and_another_does_not(
        self, service: RunningService, told: dict[str, str], state: str
    ) -> None:
        with lone_api(service, told) as client:
            assert client.get("/health").json()["parts"]["storage"] == state


class TestBroker:
    def test_it_is_looked_for_at_its_address(self, service: RunningService) -> None:
        nobody = f"redis://127.0.0.1:{free_port()}/0"
        with lone_api(service, {"BROKER_URL": nobody}) as client:
            assert client.get("/health").json()["parts"]["broker"] == "down"

        with lone_api(service, {}) as client:
            eventually(
                lambda: (
                    client.get("/health").json()["parts"]
                    == {"storage": "up", "broker": "up", "executors": 1, "engine": "up"}
                ),
                "everything is found",
            )

    def test_signs_of_life_are_read_where_results_are(self, service: RunningService) -> None:
        elsewhere = {"RESULT_BACKEND_URL": broker_url(service, database=1)}
        with lone_api(service, elsewhere) as client:
            eventually(
                lambda: client.get("/health").json()["parts"]["broker"] == "up",
                "the broker is found",
            )
            assert client.get("/health").json()["parts"]["executors"] == 0
