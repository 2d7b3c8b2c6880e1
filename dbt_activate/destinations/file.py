"""Files of changes, one for each batch: ``<path>/<object>/<time>-<number>-<key>.jsonl``.

A file is written under another name, synced, then renamed: it is there whole or not at all. Read in the order of their
names, the files hold the changes in the order in which they were made. A file of ``create`` is not written again where
one with the batch's idempotency key is still there. The other operations may be repeated: they say what a row is, so a
second file changes nothing, and a row that takes an earlier value again is written again.
"""

import errno
import glob
import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from dbt_activate.contracts import Destination, Tools
from dbt_activate.destinations.columns import json_text
from dbt_activate.errors import ConfigError, DestinationError, FatalError, Problem, RetryableError
from dbt_activate.values.destination import Account, Connection, DeliveryClass, ObjectSpec, OperationSpec
from dbt_activate.values.json import Json, JsonObject, Schema
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.payload import Batch, Encoded, Payload
from dbt_activate.values.sync import REMOVALS, Operation

_FORMULA = tuple("=+-@\t\r\0\uff1d\uff0b\uff0d\uff20")
"""First characters that make a spreadsheet run a cell: the ASCII ones, and their full-width forms."""

_HOPELESS = {
    errno.EACCES,
    errno.EEXIST,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}

_NAME = re.compile(r"(?P<time>\d{8}T\d{12}Z)-(?P<number>\d{6})-(?P<key>\w+)")

_LONGEST_KEY = 128
"""Characters of an idempotency key that a file's name has room for."""


class File(Destination):
    """Writes each batch as a file of its own."""

    local = True
    connection_schema: ClassVar[Schema] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["path"],
        "properties": {
            "path": {
                "type": "string",
                "pattern": r"^([^{}]|\{(object|run_id|sync)\})+$",
                "patternErrorMessage": "in braces only {object}, {run_id} and {sync} are known",
                "description": "A directory; `{object}`, `{run_id}` and `{sync}` stand for what they name. "
                "`/{object}` is added where it is missing.",
            },
            "format": {"enum": ["jsonl", "csv"], "description": "One JSON object a line (default), or RFC 4180."},
            "formula_guard": {
                "type": "boolean",
                "description": "CSV: put ' before a text that a spreadsheet would run; on by default.",
            },
            "operation_column": {"type": "string", "minLength": 1, "description": "A field that names the operation."},
            "envelope": {
                "type": "boolean",
                "description": 'JSON lines: write {"operation", "key", "fields", "sync", "run_id"}.',
            },
        },
        "if": {"properties": {"format": {"const": "csv"}}, "required": ["format"]},
        "then": {"properties": {"envelope": {"const": False}}},
    }

    def __init__(self, connection: Connection, tools: Tools) -> None:
        super().__init__(connection, tools)
        settings = connection.settings
        template = str(Path(connection.directory, str(settings["path"])).absolute())
        self._template = template if "{object}" in template else f"{template}/{{object}}"
        self._format = str(settings.get("format", "jsonl"))
        self._guard = bool(settings.get("formula_guard", True))
        self._operation_column = str(settings.get("operation_column") or "")
        self._envelope = bool(settings.get("envelope"))
        self._lock = threading.Lock()
        self._found: dict[Path, _Found] = {}
        self._names: dict[str, str] = {}

    def describe(self, object_name: str | None) -> ObjectSpec:
        """Any field goes. A removal needs a place to say that it is one: ``envelope`` or ``operation_column``."""
        tells = self._envelope or self._operation_column
        specs = {
            operation: OperationSpec(delivery=DeliveryClass.UPSERT, rows=1000)
            for operation in Operation
            if tells or operation not in REMOVALS
        }
        specs[Operation.CREATE] = OperationSpec(delivery=DeliveryClass.IDEMPOTENCY_KEY, rows=1000)
        return ObjectSpec(name=self._object(object_name), operations=specs, exact_numbers=True)

    def check(self) -> Account:  # type: ignore[override]  # runs in a thread
        """See whether the directory can be written to, or be made: only a write makes it."""
        root = Path(self._template.partition("{")[0])
        root = root if self._template.startswith(f"{root}/") else root.parent
        there = next(path for path in (root, *root.parents) if path.exists())
        if not there.is_dir():
            raise FatalError(f"{self._place()}: {there} is no directory; correct `path`", code="path")
        if not os.access(there, os.W_OK | os.X_OK):
            raise FatalError(f"{self._place()}: {there} cannot be written to; allow it", code="permission")
        return Account(self._template, label=root.name)

    def encode(self, payload: Payload) -> Encoded:
        """Spell the row as the object that its line holds."""
        record = self._record(payload)
        return Encoded(payload=payload, body=record, size=len(json_text(record).encode(errors="replace")) + 1)

    def send(self, batch: Batch) -> Sequence[RowResult]:  # type: ignore[override]  # runs in a thread
        """Write the batch's file."""
        origin: JsonObject = {"sync": batch.sync, "run_id": batch.run_id} if self._envelope else {}
        records = [{**self._record(row.payload), **origin} for row in batch.rows]
        directory = self._directory(batch, quote(batch.run_id, safe=""))
        try:
            self._write(batch, directory, records)
        except OSError as error:
            raise self._error(error, directory) from error
        return [RowResult(key=key, outcome=Outcome.SUCCEEDED) for key in batch.keys]

    def _object(self, object_name: str | None) -> str:
        name = object_name or ""
        if not name or name.startswith(".") or any(sign in name for sign in "/\\\0{}"):
            fault = f"{object_name!r} names no directory"
            raise ConfigError(Problem(self._place(), fault, "write `object: name`, without slashes and braces"))
        return name

    def _place(self) -> str:
        return f"destination {self.connection.name}"

    def _record(self, payload: Payload) -> JsonObject:
        fields = _fields(payload)
        if self._operation_column:
            fields[self._operation_column] = payload.operation.value
        if not self._envelope:
            return fields
        record: JsonObject = {"operation": payload.operation.value, "key": payload.key, "fields": fields}
        if payload.confirmed_identity not in (None, payload.identity):
            record["renamed_from"] = payload.confirmed_identity
        return record

    def _write(self, batch: Batch, directory: Path, records: Sequence[JsonObject]) -> None:
        with self._lock:
            name = self._name(batch)
        if name:
            lines = _FORMATS[self._format](records, self._guard)
            _put(directory / name, "".join(lines).encode())

    def _name(self, batch: Batch) -> str | None:
        """The name of the batch's file; None where an earlier run has created these records."""
        key = _file_safe(batch.idempotency_key)
        found = self._look(batch)
        if batch.operation is Operation.CREATE and key in found.keys:
            return None
        # The same name in every try of this run, so that a try whose end we did not see is overwritten.
        if key not in self._names:
            self._names[key] = f"{found.next(self.tools.clock.now())}-{key}.{self._format}"
        return self._names[key]

    def _look(self, batch: Batch) -> "_Found":
        """What earlier runs left. Read once: only this run adds to it now."""
        directory = self._directory(batch, "\0")
        if directory not in self._found:
            pattern = glob.escape(str(directory)).replace("\0", "*") + f"/*.{self._format}"
            self._found[directory] = _Found(Path(directory.anchor).glob(pattern.removeprefix(directory.anchor)))
        return self._found[directory]

    def _directory(self, batch: Batch, run_id: str) -> Path:
        parts = {"{object}": self._object(batch.object), "{run_id}": run_id, "{sync}": quote(batch.sync, safe="")}
        path = self._template
        for placeholder, part in parts.items():
            path = path.replace(placeholder, part)
        return Path(path)

    def _error(self, error: OSError, path: Path) -> DestinationError:
        message = f"{self._place()}: {path}: {error.strerror or error}"
        if error.errno in _HOPELESS:
            return FatalError(f"{message}; correct `path`, or allow writing to it", code="path")
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return RetryableError(f"{message}; make room on the disk", code="disk_full")
        return RetryableError(message, code="io")


class _Found:
    """The files of earlier runs: the *keys* of their batches, and the last of their names."""

    def __init__(self, paths: Iterable[Path]) -> None:
        names = [name for path in paths if (name := _NAME.fullmatch(path.stem))]
        self.keys = {name["key"] for name in names}
        self._last = max(((name["time"], int(name["number"])) for name in names), default=("", 0))

    def next(self, now: datetime) -> str:
        """A name that sorts after all others, also where the clock was put back."""
        time = now.strftime("%Y%m%dT%H%M%S%fZ")
        last, number = self._last
        self._last = (time, 0) if time > last else (last, number + 1)
        return "{}-{:06d}".format(*self._last)


def _fields(payload: Payload) -> JsonObject:
    if payload.operation in {Operation.DELETE, Operation.ARCHIVE}:
        return dict(payload.identity)
    if payload.operation is Operation.CLEAR:
        return {**payload.identity, **{name: None for name in payload.fields if name not in payload.identity}}
    extra = payload.create_only if payload.operation is Operation.CREATE else {}
    return {**payload.identity, **extra, **payload.fields}


def _file_safe(key: str) -> str:
    plain = key.isalnum() and key.isascii() and len(key) <= _LONGEST_KEY
    return key if plain else hashlib.sha256(key.encode()).hexdigest()


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _json_lines(records: Iterable[JsonObject], _guard: bool) -> list[str]:  # noqa: FBT001 - one shape for all formats
    return [f"{json_text(record)}\n" for record in records]


def _csv_lines(records: Sequence[JsonObject], guard: bool) -> list[str]:  # noqa: FBT001 - one shape for all formats
    names = list(dict.fromkeys(name for record in records for name in record))
    rows: list[list[Json]] = [list[Json](names), *([record.get(name) for name in names] for record in records)]
    return [",".join(_cell(value, guard=guard) for value in row) + "\r\n" for row in rows]


def _cell(value: Json, *, guard: bool) -> str:
    """A CSV cell. NULL is nothing at all, an empty text is a pair of quotes."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json_text(value)
    if guard and isinstance(value, str) and text.startswith(_FORMULA):
        text = f"'{text}"
    plain = text and text == text.strip() and not any(sign in text for sign in ',"\r\n')
    return text if plain else '"' + text.replace('"', '""') + '"'


_FORMATS: Mapping[str, Callable[[Sequence[JsonObject], bool], list[str]]] = {"jsonl": _json_lines, "csv": _csv_lines}
