"""Rows to batches: one operation each, no more rows and bytes than the destination takes."""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, groupby

from dbt_activate.values.destination import OperationSpec
from dbt_activate.values.payload import Batch, Encoded
from dbt_activate.values.sync import Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutter:
    """Cuts encoded rows into batches.

    Attributes:
        rows: Most rows in a batch, where the user asks for fewer than the destination takes.
        binding: What the ledger is tied to; part of each idempotency key.
    """

    sync: str
    run_id: str
    object: str | None
    binding: str
    operations: Mapping[Operation, OperationSpec]
    rows: int | None
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def batches(self, rows: Iterable[Encoded]) -> Iterator[Batch]:
        """Cut *rows*, in their order."""
        for operation, group in groupby(rows, key=lambda row: row.payload.operation):
            yield from self._cut(operation, group)

    def part(self, batch: Batch, rows: Sequence[Encoded]) -> Batch:
        """A batch of some rows of *batch*; the batch itself where they are all of its rows."""
        return batch if len(rows) == len(batch.rows) else self._batch(batch.operation, tuple(rows))

    def _cut(self, operation: Operation, rows: Iterable[Encoded]) -> Iterator[Batch]:
        spec = self.operations[operation]
        most = min(spec.rows, self.rows or spec.rows)
        taken: list[Encoded] = []
        size = 0
        for row in rows:
            if taken and (len(taken) >= most or (spec.bytes is not None and size + row.size > spec.bytes)):
                yield self._batch(operation, tuple(taken))
                taken, size = [], 0
            taken.append(row)
            size += row.size
        if taken:
            yield self._batch(operation, tuple(taken))

    def _batch(self, operation: Operation, rows: tuple[Encoded, ...]) -> Batch:
        return Batch(
            number=next(self.numbers),
            operation=operation,
            object=self.object,
            rows=rows,
            idempotency_key=self._idempotency_key(operation, rows),
            sync=self.sync,
            run_id=self.run_id,
        )

    def _idempotency_key(self, operation: Operation, rows: tuple[Encoded, ...]) -> str:
        # No run, time or attempt in it: the same rows with the same values have the same key, after a crash too.
        digest = hashlib.sha256()
        for part in (self.sync, self.binding, operation.value):
            _feed(digest, part)
        for row in rows:
            payload = row.payload
            for part in (payload.key, str(payload.incarnation), str(payload.revision), payload.payload_hash):
                _feed(digest, part)
        return base64.b32encode(digest.digest()[:20]).decode().lower()


def _feed(digest: "hashlib._Hash", part: str) -> None:
    data = part.encode("utf-8", "surrogatepass")
    digest.update(len(data).to_bytes(8, "big") + data)
