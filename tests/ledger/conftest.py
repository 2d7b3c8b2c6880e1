"""The worlds of whole runs, for what they leave in the ledger."""

from tests.run.conftest import world

__all__ = ["world"]
