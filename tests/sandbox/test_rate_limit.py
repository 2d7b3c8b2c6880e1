from dbt_activate.sandbox.rate_limit import RateLimit


class Monotonic:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_the_request_above_the_limit_is_refused_until_the_oldest_is_ten_seconds_old() -> None:
    clock = Monotonic()
    limit = RateLimit(2, clock)
    assert limit.take()
    clock.seconds += 4
    assert limit.take()
    assert not limit.take()
    clock.seconds += 5.9
    assert not limit.take()
    clock.seconds += 0.2
    assert limit.take()
    assert not limit.take()


def test_the_headers_count_down_and_up_again() -> None:
    clock = Monotonic()
    limit = RateLimit(3, clock)
    limit.take()
    assert limit.headers()["X-HubSpot-RateLimit-Remaining"] == "2"
    clock.seconds += 11
    headers = limit.headers()
    assert headers["X-HubSpot-RateLimit-Remaining"] == headers["X-HubSpot-RateLimit-Max"] == "3"
    assert headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
    assert headers["X-HubSpot-RateLimit-Daily-Remaining"] == "649999"


def test_no_limit_means_no_headers_and_no_refusal() -> None:
    limit = RateLimit(0, Monotonic())
    assert all(limit.take() for _ in range(1_000))
    assert limit.headers() == {}
