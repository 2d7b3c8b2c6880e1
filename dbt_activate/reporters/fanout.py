"""One reporter that is several."""

from contextlib import suppress

from dbt_activate.contracts import Reporter
from dbt_activate.values.event import Event


class FanOut:
    """Hands each event to each reporter, in the order given. One that fails keeps nothing from the others."""

    def __init__(self, *reporters: Reporter) -> None:
        self._reporters = reporters

    def __call__(self, event: Event) -> None:
        """Tell *event* to all of them."""
        for reporter in self._reporters:
            # Rows are on their way: whatever goes wrong in telling of them must not stop them.
            with suppress(Exception):
                reporter(event)
