# ruff: noqa: S101, D102 - the claims of the suite are asserts, which pytest rewrites; its names are sentences
"""The conformance suite: what every destination must do, as tests for pytest.

An author subclasses :class:`DestinationConformance`, names the destination's class, and gives a fixture ``system``::

    class TestCrm(DestinationConformance):
        destination = Crm
        object_name = "contacts"

        @pytest.fixture
        def system(self) -> Iterator[System]:
            with FakeCrm() as fake:
                yield fake

Cases that the destination's declared operations or the system's fake do not cover are skipped, with the reason.
"""

import math
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, ClassVar, NoReturn, TypeVar

import pytest

from dbt_activate.contracts import Destination
from dbt_activate.errors import AmbiguousError, ConfigError, DestinationError, FatalError, RetryableError
from dbt_activate.testing.fakes import make_tools
from dbt_activate.testing.samples import HOSTILE_WAITS, TEXTS
from dbt_activate.testing.strictness import lax_places, secret_names
from dbt_activate.testing.trial import (
    Answered,
    NotOffered,
    System,
    Trial,
    Trouble,
    call,
    make_payload,
    on_trial,
    secrets_of,
    words_of,
)
from dbt_activate.values.destination import HARMLESS_TO_REPEAT, ObjectSpec
from dbt_activate.values.json import Json, JsonObject
from dbt_activate.values.outcome import Outcome
from dbt_activate.values.payload import Payload
from dbt_activate.values.sync import Operation

__all__ = ["DestinationConformance", "NotOffered", "System", "Trouble"]

T = TypeVar("T")


class DestinationConformance:
    """The suite. See the module for how to use it.

    Attributes:
        destination: The class under test.
        object_name: The object that is written.
        identifier: The field that matches a record; a text.
        text: A field that takes any text.
        number: A field that takes integers.
    """

    destination: ClassVar[type[Destination]]
    object_name: ClassVar[str | None] = "people"
    identifier: ClassVar[str] = "email"
    text: ClassVar[str] = "name"
    number: ClassVar[str] = "score"

    @pytest.fixture
    def system(self) -> System:
        """The system under test. A subclass gives its own."""
        raise NotImplementedError

    # What the cases are made of.

    def on(self, system: System, act: Callable[[Trial], Coroutine[Any, Any, T]]) -> T:
        """Let *act* use a new destination, as a run of its own would."""
        return on_trial(self.destination, system.connection, self.object_name, act)

    def send(self, system: System, *payloads: Payload, key: str | None = None) -> Answered:
        """Send *payloads* as the only batch of a run."""
        return self.on(system, lambda trial: trial.send(*payloads, key=key))

    def row(self, number: int, operation: Operation = Operation.UPSERT, /, **fields: Json) -> Payload:
        """The row ``r<number>``, with every field of the suite; *fields* replaces some."""
        given: JsonObject = {
            self.identifier: f"row{number}@example.com",
            self.text: f"name {number}",
            self.number: number,
        }
        return make_payload(f"r{number}", operation, {**given, **fields}, self.identifier)

    def found(self, system: System) -> dict[Json, JsonObject]:
        """The records by their identifier."""
        return {record[self.identifier]: record for record in system.records()}

    def value(self, system: System, number: int, field: str) -> Json:
        """A field of the record of ``r<number>``."""
        return self.found(system)[system.as_stored(f"row{number}@example.com")].get(field)

    def spec(self, system: System) -> ObjectSpec:
        """What the destination says of the object."""
        return self.destination(system.connection, make_tools()).describe(self.object_name)

    def writes(self, system: System) -> Operation:
        """The operation that most cases use: upsert, else create."""
        offered = self.spec(system).operations
        return Operation.UPSERT if Operation.UPSERT in offered else Operation.CREATE

    def needs(self, system: System, *operations: Operation) -> None:
        """Skip the case where the destination does not offer one of *operations*."""
        for operation in operations:
            if operation not in self.spec(system).operations:
                pytest.skip(f"not offered: {operation.value}")

    def strike(self, system: System, kind: Trouble, retry_after: str | None = None) -> None:
        """Make the next request fail; skip the case where the system cannot."""
        offered(lambda: system.trouble(kind, retry_after=retry_after))

    def refused(self, system: System) -> JsonObject:
        """Fields that the system refuses; skip the case where it refuses none."""
        return offered(system.refused_fields)

    # What it says of itself.

    def test_describe_needs_no_network_and_says_the_same_twice(
        self, system: System, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(socket.socket, "connect", _no_network)
        destination = self.destination(system.connection, make_tools(_no_network))
        spec = destination.describe(self.object_name)
        assert spec == destination.describe(self.object_name)
        assert spec.operations, "it offers no operation"
        assert all(operation.rows >= 1 for operation in spec.operations.values())
        assert all(operation.bytes is None or operation.bytes >= 1 for operation in spec.operations.values())
        assert spec.answers in {"trace_id", "index", "key", "all"}

    @pytest.mark.parametrize("name", [None, "", "no such object", "../etc", "a;b", "\0", "x" * 300])
    def test_describe_answers_for_any_name_or_says_what_is_wrong(self, system: System, name: str | None) -> None:
        destination = self.destination(system.connection, make_tools())
        try:
            assert isinstance(destination.describe(name), ObjectSpec)
        except ConfigError as error:
            problems = error.problems
        else:
            return
        assert [problem for problem in problems if not (problem.place and problem.fault)] == []

    def test_the_objects_it_knows_can_be_described(self, system: System) -> None:
        destination = self.destination(system.connection, make_tools())
        assert [name for name in destination.objects() if not destination.describe(name).operations] == []

    def test_the_schema_of_its_settings_is_strict(self) -> None:
        assert list(lax_places(self.destination.connection_schema)) == []

    def test_every_secret_setting_is_declared_as_one(self, system: System) -> None:
        declared = secret_names(self.destination.connection_schema)
        given = {name for name, value in system.connection.settings.items() if repr(value) == "***"}
        assert given <= declared

    def test_discover_agrees_with_describe(self, system: System) -> None:
        spec = self.on(system, lambda trial: call(trial.destination.discover, self.object_name))
        assert spec.operations == self.spec(system).operations
        if spec.fields is not None:
            assert {self.identifier, self.text, self.number} <= set(spec.fields)

    def test_check_names_the_same_account_twice(self, system: System) -> None:
        first, second = self.on(system, lambda trial: trial.check()), self.on(system, lambda trial: trial.check())
        assert first == second
        assert first

    @pytest.mark.parametrize("operation", list(Operation))
    def test_encode_is_deterministic_and_tells_a_size(self, system: System, operation: Operation) -> None:
        self.needs(system, operation)
        destination = self.destination(system.connection, make_tools())
        for text in TEXTS.values():
            before = self.row(1, operation, **{self.text: text})
            payload = self.row(1, operation, **{self.text: text})
            first, second = destination.encode(payload), destination.encode(payload)
            assert first == second
            assert first.size >= 1
            assert payload == before, "encode changed the payload"

    # What becomes of rows.

    def test_each_row_gets_one_result_and_no_other_row_does(self, system: System) -> None:
        answered = self.send(system, *(self.row(number, self.writes(system)) for number in range(5)))
        assert answered.outcomes == {f"r{number}": Outcome.SUCCEEDED for number in range(5)}
        assert len(system.records()) == 5  # noqa: PLR2004 - the rows that were sent

    def test_a_single_row_is_a_batch(self, system: System) -> None:
        assert self.send(system, self.row(1, self.writes(system))).outcomes == {"r1": Outcome.SUCCEEDED}
        assert self.value(system, 1, self.text) == system.as_stored("name 1")

    def test_an_upsert_sent_twice_is_one_record(self, system: System) -> None:
        self.needs(system, Operation.UPSERT)
        for _ in range(2):
            assert self.send(system, self.row(1), self.row(2)).outcome("r1") is Outcome.SUCCEEDED
        assert len(system.records()) == 2  # noqa: PLR2004 - the rows that were sent

    @pytest.mark.parametrize("operation", [Operation.UPSERT, Operation.UPDATE])
    def test_a_new_value_replaces_the_old_one_and_leaves_other_records_alone(
        self, system: System, operation: Operation
    ) -> None:
        self.needs(system, Operation.UPSERT, operation)
        self.send(system, self.row(1), self.row(2))
        new: JsonObject = {self.text: "new", self.number: 77}
        changed = self.row(1, operation, **new)
        assert self.send(system, changed).outcome("r1") is Outcome.SUCCEEDED
        assert self.value(system, 1, self.text) == system.as_stored("new")
        assert self.value(system, 1, self.number) == system.as_stored(77)
        assert self.value(system, 2, self.text) == system.as_stored("name 2")

    def test_a_value_that_comes_back_to_an_earlier_one_is_written_again(self, system: System) -> None:
        self.needs(system, Operation.UPSERT)
        for text, key in (("one", "key1"), ("two", "key2"), ("one", "key1")):
            self.send(system, self.row(1, **{self.text: text}), key=key)
        assert self.value(system, 1, self.text) == system.as_stored("one")

    def test_a_null_empties_the_field(self, system: System) -> None:
        self.needs(system, Operation.UPSERT)
        self.send(system, self.row(1))
        answered = self.send(system, self.row(1, **{self.text: None, self.number: None}))
        assert answered.outcome("r1") is Outcome.SUCCEEDED
        assert self.value(system, 1, self.text) is None
        assert self.value(system, 1, self.number) is None

    def test_clear_empties_the_fields_and_keeps_the_record(self, system: System) -> None:
        self.needs(system, Operation.UPSERT, Operation.CLEAR)
        self.send(system, self.row(1), self.row(2))
        assert self.send(system, self.row(1, Operation.CLEAR)).outcome("r1") is Outcome.SUCCEEDED
        assert self.value(system, 1, self.text) is None
        assert self.value(system, 2, self.text) == system.as_stored("name 2")

    def test_a_deleted_record_is_gone_and_the_others_stay(self, system: System) -> None:
        self.needs(system, Operation.UPSERT, Operation.DELETE)
        self.send(system, self.row(1), self.row(2))
        assert self.send(system, self.row(1, Operation.DELETE)).outcome("r1") is Outcome.SUCCEEDED
        assert set(self.found(system)) == {system.as_stored("row2@example.com")}

    def test_a_delete_of_a_missing_record_succeeds(self, system: System) -> None:
        self.needs(system, Operation.UPSERT, Operation.DELETE)
        self.send(system, self.row(1))
        for _ in range(2):
            answered = self.send(system, self.row(1, Operation.DELETE), self.row(9, Operation.DELETE))
            assert set(answered.outcomes.values()) == {Outcome.SUCCEEDED}
        assert self.found(system) == {}

    def test_an_update_of_a_missing_record_makes_none(self, system: System) -> None:
        self.needs(system, Operation.UPDATE, Operation.UPSERT)
        self.send(system, self.row(1))
        answered = self.send(system, self.row(9, Operation.UPDATE), self.row(1, Operation.UPDATE))
        # A system whose answer speaks for all rows at once may not know; it must not make a record of the row.
        assert answered.outcome("r1") is Outcome.SUCCEEDED
        assert set(self.found(system)) == {system.as_stored("row1@example.com")}

    def test_a_repeated_create_does_what_its_class_says(self, system: System) -> None:
        self.needs(system, Operation.CREATE)
        delivery = self.spec(system).operations[Operation.CREATE].delivery
        batch = [self.row(number, Operation.CREATE) for number in (1, 2)]
        for _ in range(2 if delivery in HARMLESS_TO_REPEAT else 1):
            self.send(system, *batch, key="key1")
        assert len(system.records()) == len(batch)

    @pytest.mark.parametrize("text", list(TEXTS.values()), ids=list(TEXTS))
    def test_a_text_is_stored_as_it_is_or_its_row_alone_rejected(self, system: System, text: str) -> None:
        operation = self.writes(system)
        answered = self.send(system, self.row(1, operation), self.row(2, operation, **{self.text: text}))
        assert answered.outcome("r1") is Outcome.SUCCEEDED
        if answered.outcome("r2") is Outcome.SUCCEEDED:
            assert self.value(system, 2, self.text) == system.as_stored(text)
            return
        assert answered.outcome("r2") is Outcome.REJECTED
        assert len(system.records()) == 1

    @pytest.mark.parametrize("index", range(4))
    def test_a_refused_row_leaves_the_others_deliverable(self, system: System, index: int) -> None:
        operation, refused = self.writes(system), self.refused(system)
        rows = [self.row(number, operation, **(refused if number == index else {})) for number in range(4)]
        answered = self.send(system, *rows)
        wanted = {f"r{number}": Outcome.REJECTED if number == index else Outcome.SUCCEEDED for number in range(4)}
        assert answered.outcomes == wanted
        assert len(system.records()) == 3  # noqa: PLR2004 - all but one

    def test_a_refusal_says_why_without_the_values_of_the_row(self, system: System) -> None:
        refused = self.refused(system)
        answered = self.send(system, self.row(1, self.writes(system), **refused))
        assert answered.outcome("r1") is Outcome.REJECTED
        result = answered.results["r1"]
        assert result.code
        assert result.message
        shown = f"{result.code} {result.message} {result.pointer}"
        assert [value for value in refused.values() if isinstance(value, str) and value in shown] == []

    # When things go wrong.

    @pytest.mark.parametrize("asked", [None, "7", *HOSTILE_WAITS])
    def test_too_many_requests_is_retried_and_nothing_was_written(self, system: System, asked: str | None) -> None:
        self.strike(system, Trouble.TOO_MANY_REQUESTS, asked)
        with pytest.raises(RetryableError) as caught:
            self.send(system, self.row(1, self.writes(system)))
        wait = caught.value.retry_after
        assert wait is None or (wait >= 0 and math.isfinite(wait))
        if asked == "7":
            assert wait == float(asked)
        assert system.records() == []

    @pytest.mark.parametrize("kind", [Trouble.ERROR_BEFORE, Trouble.RESET_BEFORE])
    def test_a_request_that_failed_can_be_sent_again(self, system: System, kind: Trouble) -> None:
        operation = self.writes(system)
        self.strike(system, kind)
        with pytest.raises((RetryableError, AmbiguousError)):
            self.send(system, self.row(1, operation), key="key1")
        assert self.send(system, self.row(1, operation), key="key1").outcome("r1") is Outcome.SUCCEEDED
        assert len(system.records()) == 1

    @pytest.mark.parametrize("kind", [Trouble.ERROR_AFTER, Trouble.RESET_AFTER])
    def test_rows_that_were_applied_without_an_answer_are_never_called_unsent(
        self, system: System, kind: Trouble
    ) -> None:
        operation = self.writes(system)
        self.strike(system, kind)
        harmless = self.spec(system).operations[operation].delivery in HARMLESS_TO_REPEAT
        endings: tuple[type[DestinationError], ...] = (AmbiguousError, *([RetryableError] if harmless else []))
        with suppress(*endings):
            answered = self.send(system, self.row(1, operation), key="key1")
            assert answered.outcome("r1") in {Outcome.SUCCEEDED, Outcome.UNKNOWN}
        if harmless:
            self.send(system, self.row(1, operation), key="key1")
        assert len(system.records()) == 1

    @pytest.mark.parametrize("kind", [Trouble.EMPTY_ANSWER, Trouble.GARBLED_ANSWER])
    def test_an_answer_that_names_no_row_confirms_none(self, system: System, kind: Trouble) -> None:
        if self.spec(system).answers == "all":
            pytest.skip("not offered: its answers speak for all rows of a request")
        self.strike(system, kind)
        try:
            answered = self.send(system, self.row(1, self.writes(system)), self.row(2, self.writes(system)))
        except AmbiguousError:
            return
        assert [answered.outcome(key) for key in ("r1", "r2")] == [Outcome.UNKNOWN] * 2

    def test_a_row_that_the_answer_leaves_out_is_unknown(self, system: System) -> None:
        self.strike(system, Trouble.ROWS_MISSING)
        rows = [self.row(number, self.writes(system)) for number in range(4)]
        answered = self.send(system, *rows)
        assert [answered.outcome(row.key) for row in rows] == [Outcome.SUCCEEDED] * 3 + [Outcome.UNKNOWN]

    def test_an_answer_in_another_order_still_finds_each_row(self, system: System) -> None:
        if self.spec(system).answers == "index":
            pytest.skip("not offered: its answers name rows by their order")
        operation, refused = self.writes(system), self.refused(system)
        self.strike(system, Trouble.ROWS_REORDERED)
        answered = self.send(system, self.row(0, operation, **refused), self.row(1, operation), self.row(2, operation))
        assert answered.outcomes == {"r0": Outcome.REJECTED, "r1": Outcome.SUCCEEDED, "r2": Outcome.SUCCEEDED}

    def test_a_row_that_was_not_sent_is_a_breach_of_contract(self, system: System) -> None:
        self.strike(system, Trouble.ROWS_EXTRA)
        rows = [self.row(number, self.writes(system)) for number in range(3)]
        # Either the whole answer is worth nothing, or the rows that were sent have their results and no other row.
        try:
            answered = self.send(system, *rows)
        except AmbiguousError:
            return
        assert set(answered.outcomes) <= {row.key for row in rows}

    def test_a_row_that_is_named_twice_has_one_result(self, system: System) -> None:
        self.strike(system, Trouble.ROWS_TWICE)
        rows = [self.row(number, self.writes(system)) for number in range(3)]
        try:
            answered = self.send(system, *rows)
        except AmbiguousError:
            return
        assert Outcome.REJECTED not in answered.outcomes.values()

    def test_credentials_that_are_refused_end_the_run(self, system: System) -> None:
        self.strike(system, Trouble.UNAUTHORIZED)
        with pytest.raises(FatalError) as caught:
            self.send(system, self.row(1, self.writes(system)))
        assert str(caught.value)
        assert system.records() == []

    # What must not be seen.

    def test_secrets_are_in_no_repr(self, system: System) -> None:
        destination = self.destination(system.connection, make_tools())
        shown = repr(destination) + repr(vars(destination)) + repr(system.connection)
        assert [secret for secret in secrets_of(system.connection) if secret in shown] == []

    @pytest.mark.parametrize("kind", [Trouble.UNAUTHORIZED, Trouble.TOO_MANY_REQUESTS, Trouble.RESET_BEFORE])
    def test_secrets_and_values_are_in_no_error(self, system: System, kind: Trouble) -> None:
        hidden = [*secrets_of(system.connection), "row1@example.com", "canary 4711"]
        self.strike(system, kind)
        with pytest.raises(DestinationError) as caught:
            self.send(system, self.row(1, self.writes(system), **{self.text: "canary 4711"}))
        assert [text for text in hidden if text in words_of(caught.value)] == []


def offered(ask: Callable[[], T]) -> T:
    """What *ask* returns; skips the case where the system does not offer it."""
    try:
        return ask()
    except NotOffered as reason:
        pytest.skip(f"not offered: {reason}")


def _no_network(*_arguments: object) -> NoReturn:
    raise AssertionError("it used the network")
