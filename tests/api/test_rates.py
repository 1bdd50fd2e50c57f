"""How rates are written, in settings, key files and plans."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from api.rates import BUCKETS, MAX_REQUESTS, MAX_WINDOW_S, Rate, parse_rate
from tests.api.service import make_settings

REQUESTS = range(1, MAX_REQUESTS + 1)
WINDOWS_S = range(1, MAX_WINDOW_S + 1)
RATES = st.builds(Rate, st.sampled_from(REQUESTS), st.sampled_from(WINDOWS_S))


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("20/30s", Rate(20, 30)),
        ("30/5m", Rate(30, 300)),
        ("60/1m", Rate(60, 60)),
        ("60/m", Rate(60, 60)),
        ("1000/h", Rate(1000, 3600)),
        ("500/1d", Rate(500, 86_400)),
        (" 20/30S ", Rate(20, 30)),
    ],
)
def test_it_is_requests_per_time(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["off", "OFF", " off "])
def test_off_is_no_limit(text: str) -> None:
    assert parse_rate(text) is None


@given(RATES)
def test_what_is_written_is_read(rate: Rate) -> None:
    assert parse_rate(str(rate)) == rate


@pytest.mark.parametrize(
    "text",
    ["", "20", "20/", "/30s", "20/30", "20/30 s", "-1/30s", "2.5/s", "20 per minute", "٣/٣s"],
)
def test_anything_else_is_told_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"such as `20/30s`.*`off`"):
        parse_rate(text)


@pytest.mark.parametrize("text", ["0/30s", "10001/30s", "999999999/1s"])
def test_requests_are_one_to_ten_thousand(text: str) -> None:
    with pytest.raises(ValueError, match="1 to 10000 requests"):
        parse_rate(text)


@pytest.mark.parametrize("text", ["20/0s", "20/2d", "20/999999999d"])
def test_the_time_is_at_most_a_day(text: str) -> None:
    with pytest.raises(ValueError, match="1 second to 1 day"):
        parse_rate(text)


@given(st.text(max_size=30))
def test_no_text_does_anything_but_be_read_or_refused(text: str) -> None:
    try:
        rate = parse_rate(text)
    except ValueError:
        return
    assert rate is None or (rate.requests in REQUESTS and rate.window_s in WINDOWS_S)


class TestSettings:
    def test_the_defaults_are_the_contracts(self) -> None:
        assert make_settings().rates == {
            "exec": Rate(20, 30),
            "upload": Rate(30, 300),
            "download": Rate(60, 60),
            "list": Rate(120, 60),
        }

    @pytest.mark.parametrize("bucket", BUCKETS)
    def test_each_has_a_variable(self, bucket: str) -> None:
        changed = make_settings(**{f"rate_limit_{bucket}": "7/1m"}).rates
        lifted = make_settings(**{f"rate_limit_{bucket}": "off"}).rates

        assert changed == {**make_settings().rates, bucket: Rate(7, 60)}
        assert lifted == {**make_settings().rates, bucket: None}

    @pytest.mark.parametrize("bucket", BUCKETS)
    def test_a_bad_one_is_refused_by_name(self, bucket: str) -> None:
        with pytest.raises(ValidationError, match=f"rate_limit_{bucket}"):
            make_settings(**{f"rate_limit_{bucket}": "often"})
