"""Rows that wait for their turn, in a file that nobody else can see.

The change set is read once and the warehouse let go of; memory stays that of the rows in flight. The file has no name
(it is unlinked while open), so nothing is left of it after a crash.
"""

import pickle
import tempfile
from collections.abc import Iterator
from typing import BinaryIO, Generic, TypeVar, cast

T = TypeVar("T")


class Spool(Generic[T]):
    """A list of values on disk: appended to first, then read, in the same order."""

    def __init__(self) -> None:
        self._file = cast("BinaryIO", tempfile.TemporaryFile(prefix="dbt-activate-"))  # noqa: SIM115 - close() below
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, value: T) -> None:
        """Add one."""
        pickle.dump(value, self._file, protocol=pickle.HIGHEST_PROTOCOL)
        self._count += 1

    def __iter__(self) -> Iterator[T]:
        """Read all, from the first."""
        self._file.seek(0)
        for _ in range(self._count):
            # Nobody but this process can have written to the nameless file.
            yield cast("T", pickle.load(self._file))  # noqa: S301 - see above

    def close(self) -> None:
        """Give the disk back."""
        self._file.close()
