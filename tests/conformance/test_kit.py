"""The suite finds what is wrong with a destination: each of these is broken in one way."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from dbt_activate.contracts import Destination, Tools
from dbt_activate.errors import AmbiguousError, BatchRejectedError, FatalError, RetryableError
from dbt_activate.testing.conformance import DestinationConformance, System, Trouble
from dbt_activate.testing.samples import TEXTS
from dbt_activate.values.destination import Account, Connection, DeliveryClass, ObjectSpec, OperationSpec
from dbt_activate.values.json import JsonObject, Schema
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.payload import Batch, Encoded, Payload
from dbt_activate.values.secret import Secret
from dbt_activate.values.sync import Operation

REFUSED = "refuse this canary"


class Memory(System):
    """A system in memory: its connection holds it."""

    def __init__(self) -> None:
        self.held: dict[str, JsonObject] = {}
        self.troubles: list[tuple[Trouble, str | None]] = []

    @property
    def connection(self) -> Connection:
        return Connection(
            name="m", output="dev", type="m", settings={"memory": self, "token": Secret("hunter2-canary")}
        )

    def records(self) -> Sequence[JsonObject]:
        return list(self.held.values())

    def refused_fields(self) -> JsonObject:
        return {"name": REFUSED}

    def trouble(self, kind: Trouble, *, retry_after: str | None = None) -> None:
        self.troubles.append((kind, retry_after))


class Sound(Destination):
    """A destination that does all right. The others here are broken in one way each."""

    connection_schema: ClassVar[Schema] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"memory": {"type": "object"}, "token": {"type": "string", "x-secret": True}},
    }

    @property
    def memory(self) -> Memory:
        memory = self.connection.settings["memory"]
        assert isinstance(memory, Memory)
        return memory

    def describe(self, object_name: str | None) -> ObjectSpec:
        spec = OperationSpec(delivery=DeliveryClass.UPSERT, rows=100)
        return ObjectSpec(
            name=object_name or "", operations=dict.fromkeys((Operation.UPSERT, Operation.DELETE), spec), answers="key"
        )

    async def check(self) -> Account:
        return Account("memory")

    def encode(self, payload: Payload) -> Encoded:
        return Encoded(payload=payload, body=None, size=1)

    async def send(self, batch: Batch) -> Sequence[RowResult]:
        kind, retry_after = self.memory.troubles.pop(0) if self.memory.troubles else (None, None)
        self.stumble(kind, retry_after)
        if any(row.payload.fields.get("name") == REFUSED for row in batch.rows):
            return self.refuse(batch)
        for row in batch.rows:
            self.write(row.payload)
        return self.answer(batch, kind)

    def stumble(self, kind: Trouble | None, retry_after: str | None) -> None:
        if kind is Trouble.TOO_MANY_REQUESTS:
            raise RetryableError("later", retry_after=float(retry_after) if retry_after == "7" else None)
        if kind is Trouble.UNAUTHORIZED:
            raise FatalError("credentials")
        if kind in {Trouble.ERROR_BEFORE, Trouble.RESET_BEFORE}:
            raise RetryableError("broke")

    def refuse(self, batch: Batch) -> Sequence[RowResult]:
        if len(batch.rows) > 1:
            raise BatchRejectedError("refused")
        message = "the name is refused"
        return [RowResult(key=batch.keys[0], outcome=Outcome.REJECTED, code="refused", message=message)]

    def write(self, payload: Payload) -> None:
        email = str(payload.identity["email"])
        if payload.operation is Operation.DELETE:
            self.memory.held.pop(email, None)
        else:
            self.memory.held[email] = {**self.memory.held.get(email, {}), **payload.fields}

    def answer(self, batch: Batch, kind: Trouble | None) -> Sequence[RowResult]:
        if kind is not None and kind in LOST:
            raise AmbiguousError("lost")
        keys = batch.keys[:-1] if kind is Trouble.ROWS_MISSING else batch.keys
        return [RowResult(key=key, outcome=Outcome.SUCCEEDED) for key in keys]


LOST = {Trouble.ERROR_AFTER, Trouble.RESET_AFTER, Trouble.EMPTY_ANSWER, Trouble.GARBLED_ANSWER, Trouble.ROWS_EXTRA}


class TestSound(DestinationConformance):
    """A sound destination passes every case."""

    destination = Sound

    @pytest.fixture
    def system(self) -> System:
        return Memory()


class LosesRows(Sound):
    def answer(self, batch: Batch, kind: Trouble | None) -> Sequence[RowResult]:
        return super().answer(batch, kind)[:-1]


class NamesStrangers(Sound):
    def answer(self, batch: Batch, kind: Trouble | None) -> Sequence[RowResult]:
        return [*super().answer(batch, kind), RowResult(key="stranger", outcome=Outcome.SUCCEEDED)]


class BelievesEverything(Sound):
    def answer(self, batch: Batch, kind: Trouble | None) -> Sequence[RowResult]:
        return super().answer(batch, None)


class CallsLostRowsUnsent(Sound):
    def answer(self, batch: Batch, kind: Trouble | None) -> Sequence[RowResult]:
        if kind in LOST:
            return [RowResult(key=key, outcome=Outcome.REJECTED) for key in batch.keys]
        return super().answer(batch, kind)


class WaitsForever(Sound):
    def stumble(self, kind: Trouble | None, retry_after: str | None) -> None:
        if kind is Trouble.TOO_MANY_REQUESTS and retry_after == "1e999":
            raise RetryableError("later", retry_after=float(retry_after))
        super().stumble(kind, retry_after)


class TellsItsSecret(Sound):
    def stumble(self, kind: Trouble | None, retry_after: str | None) -> None:
        if kind is Trouble.UNAUTHORIZED:
            token = self.connection.settings["token"]
            assert isinstance(token, Secret)
            raise FatalError("no") from ValueError(token.reveal())
        super().stumble(kind, retry_after)


class RejectsTheNeighbours(Sound):
    def refuse(self, batch: Batch) -> Sequence[RowResult]:
        return [RowResult(key=key, outcome=Outcome.REJECTED, code="x", message="x") for key in batch.keys]


class QuotesTheValue(Sound):
    def refuse(self, batch: Batch) -> Sequence[RowResult]:
        return [RowResult(key=key, outcome=Outcome.REJECTED, code="x", message=f"no {REFUSED}") for key in batch.keys]


class Trims(Sound):
    def write(self, payload: Payload) -> None:
        super().write(payload)
        for record in self.memory.held.values():
            record["name"] = str(record.get("name")).replace("\r\n", "\n")


class KeepsDeleted(Sound):
    def write(self, payload: Payload) -> None:
        if payload.operation is not Operation.DELETE:
            super().write(payload)


class KeepsNulls(Sound):
    def write(self, payload: Payload) -> None:
        email = str(payload.identity["email"])
        kept = {name: value for name, value in payload.fields.items() if value is not None}
        self.memory.held[email] = {**self.memory.held.get(email, {}), **kept}


class CountsEncodings(Sound):
    def __init__(self, connection: Connection, tools: Tools) -> None:
        super().__init__(connection, tools)
        self.encoded = 0

    def encode(self, payload: Payload) -> Encoded:
        self.encoded += 1
        return Encoded(payload=payload, body=self.encoded, size=1)


class TakesAnySetting(Sound):
    connection_schema: ClassVar[Schema] = {"type": "object", "properties": {"token": {"type": "string"}}}


@pytest.mark.parametrize(
    ("broken", "case", "arguments"),
    [
        (LosesRows, "test_each_row_gets_one_result_and_no_other_row_does", ()),
        (NamesStrangers, "test_each_row_gets_one_result_and_no_other_row_does", ()),
        (BelievesEverything, "test_an_answer_that_names_no_row_confirms_none", (Trouble.EMPTY_ANSWER,)),
        (BelievesEverything, "test_a_row_that_the_answer_leaves_out_is_unknown", ()),
        (
            CallsLostRowsUnsent,
            "test_rows_that_were_applied_without_an_answer_are_never_called_unsent",
            (Trouble.RESET_AFTER,),
        ),
        (WaitsForever, "test_too_many_requests_is_retried_and_nothing_was_written", ("1e999",)),
        (TellsItsSecret, "test_secrets_and_values_are_in_no_error", (Trouble.UNAUTHORIZED,)),
        (RejectsTheNeighbours, "test_a_refused_row_leaves_the_others_deliverable", (2,)),
        (QuotesTheValue, "test_a_refusal_says_why_without_the_values_of_the_row", ()),
        (Trims, "test_a_text_is_stored_as_it_is_or_its_row_alone_rejected", (TEXTS["line ends"],)),
        (KeepsDeleted, "test_a_deleted_record_is_gone_and_the_others_stay", ()),
        (KeepsNulls, "test_a_null_empties_the_field", ()),
        (CountsEncodings, "test_encode_is_deterministic_and_tells_a_size", (Operation.UPSERT,)),
    ],
)
def test_the_suite_finds_what_is_broken(broken: type[Destination], case: str, arguments: tuple[object, ...]) -> None:
    suite = type("Broken", (DestinationConformance,), {"destination": broken})()
    with pytest.raises(AssertionError):
        getattr(suite, case)(Memory(), *arguments)


def test_the_suite_finds_a_schema_that_takes_any_setting() -> None:
    suite = type("Broken", (DestinationConformance,), {"destination": TakesAnySetting})()
    with pytest.raises(AssertionError):
        suite.test_the_schema_of_its_settings_is_strict()
    with pytest.raises(AssertionError):
        suite.test_every_secret_setting_is_declared_as_one(Memory())


def test_the_pytest_plugin_imports_nothing_heavy() -> None:
    def heavy(module: str) -> str:
        program = f"import pytest, sys, {module}; print(sorted({HEAVY!r} & set(sys.modules)))"
        return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout

    assert heavy("dbt_activate.testing.pytest_plugin") == heavy("re")


HEAVY = {"httpx", "duckdb", "psycopg", "dbt", "jsonschema", "msgspec", "asyncio", "dbt_activate.contracts"}


def test_the_pytest_plugin_lends_a_still_clock_and_tools(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "def test_it(activate_clock, activate_tools):\n"
        "    assert activate_tools.clock is activate_clock\n"
        "    assert activate_clock.monotonic() == 0\n"
    )
    plugin = ["-p", "no:dbt_activate", "-p", "dbt_activate.testing.pytest_plugin", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", *plugin, "--rootdir", str(tmp_path), str(tmp_path)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert "1 passed" in ended.stdout, ended.stdout
