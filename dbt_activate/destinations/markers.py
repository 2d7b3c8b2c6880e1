"""The table that remembers which batches of ``create`` were applied, in the database that they were applied to."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from dbt_activate.destinations.statements import TableName
from dbt_activate.destinations.writing import Link

TABLE = "_dbt_activate_applied"

KEPT = timedelta(days=7)
"""How long a marker is kept: longer than anybody waits before a run is tried again."""


class Markers:
    """The markers of one schema. *parameter* is what stands before the number of a bound value."""

    def __init__(self, schema: str, parameter: str) -> None:
        self._table = TableName(schema, TABLE).sql
        self._one, self._two = f"{parameter}1", f"{parameter}2"

    def prepare(self, link: Link, now: datetime) -> None:
        """Make the table where it is missing, and drop the markers that are too old to matter."""
        link.query(
            f"CREATE TABLE IF NOT EXISTS {self._table} "
            "(idempotency_key VARCHAR PRIMARY KEY, applied_at VARCHAR NOT NULL, refused VARCHAR)"
        )
        link.query(f"DELETE FROM {self._table} WHERE applied_at < {self._one}", (now - KEPT).isoformat())

    def claim(self, link: Link, key: str, now: datetime) -> bool:
        """Set the marker of a batch; False where it was set before. Waits for a transaction that is setting it."""
        claimed = link.query(
            f"INSERT INTO {self._table} (idempotency_key, applied_at) VALUES ({self._one}, {self._two}) "
            "ON CONFLICT DO NOTHING RETURNING 1",
            key,
            now.isoformat(),
        )
        return bool(claimed)

    def note(self, link: Link, key: str, refused: Mapping[int, str]) -> None:
        """Keep which rows of the batch were refused, code by position, for whoever asks again."""
        if refused:
            note = f"UPDATE {self._table} SET refused = {self._one} WHERE idempotency_key = {self._two}"
            link.query(note, json.dumps(refused), key)

    def refused(self, link: Link, key: str) -> dict[int, str]:
        """Return what :meth:`note` kept."""
        ((stored,),) = link.query(f"SELECT refused FROM {self._table} WHERE idempotency_key = {self._one}", key)
        return {int(at): str(code) for at, code in json.loads(stored or "{}").items()}
