"""The pytest plug-in. pytest loads it in every session where dbt-activate is installed, so it imports nothing heavy."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dbt_activate.contracts import Tools
    from dbt_activate.testing.fakes import FakeClock

# The suite's claims are plain asserts: rewritten, they show the values that were compared.
pytest.register_assert_rewrite("dbt_activate.testing.conformance")


@pytest.fixture
def activate_clock() -> "FakeClock":
    """A clock that stands still until somebody sleeps on it."""
    from dbt_activate.testing.fakes import FakeClock

    return FakeClock()


@pytest.fixture
def activate_tools(activate_clock: "FakeClock") -> "Tools":
    """What the engine lends to a destination: ``activate_clock``, seeded randomness, real sockets."""
    from dbt_activate.testing.fakes import make_tools

    return make_tools(clock=activate_clock)
