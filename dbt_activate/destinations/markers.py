"""The table that remembers which rows of ``create`` were written, in the database that they were written to.

One marker for each row, not for each batch: after a crash the rows are planned again, and cut into other batches.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from dbt_activate.destinations.statements import TableName
from dbt_activate.destinations.writing import Link
from dbt_activate.values.payload import Batch, Payload

TABLE = "_dbt_activate_applied"

KEPT = timedelta(days=7)
"""How long a marker is kept: longer than anybody waits before a run is tried again."""


def marker(batch: Batch, payload: Payload) -> str:
    """The marker of a row: the same when it is sent again, another one when it is another version of the row."""
    facts = (batch.sync, batch.object, payload.key, payload.incarnation, payload.revision, payload.payload_hash)
    return hashlib.sha256(repr(facts).encode("utf-8", "backslashreplace")).hexdigest()[:40]


class Markers:
    """The markers of one schema. *parameter* is what stands before the number of a bound value."""

    def __init__(self, schema: str, parameter: str) -> None:
        self._table = TableName(schema, TABLE).sql
        self._parameter = parameter

    def prepare(self, link: Link, now: datetime) -> None:
        """Make the table where it is missing, and drop the markers that are too old to matter."""
        link.query(
            f"CREATE TABLE IF NOT EXISTS {self._table} "
            "(idempotency_key VARCHAR PRIMARY KEY, applied_at VARCHAR NOT NULL)"
        )
        link.query(f"DELETE FROM {self._table} WHERE applied_at < {self._parameter}1", (now - KEPT).isoformat())

    def claim(self, link: Link, markers: Sequence[str], now: datetime) -> frozenset[str]:
        """Set *markers*; return those that were not set before. Waits for a transaction that is setting one."""
        if not markers:
            return frozenset()
        rows = ", ".join(f"({self._parameter}{number}, {self._parameter}1)" for number in range(2, len(markers) + 2))
        claimed = link.query(
            f"INSERT INTO {self._table} (idempotency_key, applied_at) VALUES {rows} "
            "ON CONFLICT DO NOTHING RETURNING idempotency_key",
            now.isoformat(),
            *markers,
        )
        return frozenset(str(row[0]) for row in claimed)

    def give_back(self, link: Link, markers: Sequence[str]) -> None:
        """Unset *markers*: their rows were refused, and may be tried again."""
        for one in markers:
            link.query(f"DELETE FROM {self._table} WHERE idempotency_key = {self._parameter}1", one)
