"""Several reporters as one."""

from dbt_activate.reporters.fanout import FanOut
from dbt_activate.values.event import Event
from tests.reporters.stories import EXAMPLES


class Listener:
    """Remembers what it heard."""

    def __init__(self) -> None:
        self.heard: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.heard.append(event)


def fail(event: Event) -> None:
    """A reporter with a fault."""
    raise RuntimeError(type(event).__name__)


def test_a_reporter_that_fails_keeps_nothing_from_the_others() -> None:
    first, last = Listener(), Listener()
    report = FanOut(first, fail, last)
    for event in EXAMPLES:
        report(event)
    assert first.heard == last.heard == list(EXAMPLES)


def test_nobody_need_listen() -> None:
    FanOut()(EXAMPLES[0])
