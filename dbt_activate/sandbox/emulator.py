"""A whole sandbox without a socket: systems, faults and log, and how one request goes through them."""

import random
from collections.abc import Callable, Mapping

import msgspec

from dbt_activate.errors import ConfigError, Problem
from dbt_activate.sandbox import state_file
from dbt_activate.sandbox.clock import timestamp
from dbt_activate.sandbox.crm import Crm
from dbt_activate.sandbox.exchange import Answer, Call, System
from dbt_activate.sandbox.faults import AFTER, BEFORE, Fault, Faults
from dbt_activate.sandbox.hooks import HookReceiver
from dbt_activate.sandbox.hubspot_api import HubSpotApi
from dbt_activate.sandbox.hubspot_errors import RefusedError
from dbt_activate.sandbox.hubspot_messages import NewProperty, NewSchema
from dbt_activate.sandbox.journal import Change, Entry, Journal
from dbt_activate.sandbox.options import SandboxOptions
from dbt_activate.sandbox.rate_limit import RateLimit
from dbt_activate.sandbox.state_file import State

_FIRST_ERROR = 400


class Emulator:
    """What a sandbox holds and does.

    Attributes:
        writes: Grows with each request that may have changed a record or a definition.
    """

    def __init__(self, options: SandboxOptions) -> None:
        self.options = options
        self.faults = Faults(random.Random(options.seed))  # noqa: S311 - dice, not secrets
        self.journal = Journal()
        self.writes = 0
        self._fill(state_file.load(options.state) if options.state else None)

    def reset(self) -> None:
        """Go back to an empty account: no record, no request, no fault; only what the options define."""
        self.faults.clear()
        self.journal.clear()
        self.writes += 1
        self._fill(None)

    def state(self) -> State:
        """All records, for the state file."""
        return State(crm=self.crm.state(), hooks=self.hooks.state())

    def now(self) -> str:
        """The time of day, as the CRM spells it."""
        return timestamp(self.options.clock.now())

    async def exchange(self, call: Call) -> Answer | None:
        """Take one request all the way; None where a fault says to close the connection without an answer."""
        clock, started = self.options.clock, self.options.clock.monotonic()
        system = self._system(call)
        call.refusal = lambda fields: self.faults.refusal(call.method, call.path, fields)
        struck = self.faults.take(BEFORE, call.method, call.path)
        await clock.sleep(sum(fault.seconds for fault in struck if fault.kind == "slow"))
        answer = self._serve(system, call, struck)
        if answer is not None:
            answer.headers = {**system.headers(), **answer.headers}
        self._log(system, call, answer, struck, (clock.monotonic() - started) * 1000)
        return answer

    def _serve(self, system: System, call: Call, struck: list[Fault]) -> Answer | None:
        ending = next((fault for fault in struck if fault.kind != "slow"), None)
        if ending is not None:
            return _SPOILED[ending.kind](system, ending, Answer(0))
        refused = system.admit(call)
        if refused is not None:
            return refused
        answer = system.handle(call)
        if call.method != "GET" and answer.status < _FIRST_ERROR:
            self.writes += 1
        after = self.faults.take(AFTER, call.method, call.path)
        struck.extend(after)
        return _SPOILED[after[0].kind](system, after[0], answer) if after else answer

    def _system(self, call: Call) -> System:
        return self.hooks if call.path.startswith("/hooks/") else self.hubspot

    def _log(self, system: System, call: Call, answer: Answer | None, struck: list[Fault], milliseconds: float) -> None:
        place = system.place(call)
        entry = Entry(
            number=0,
            at=self.now(),
            method=call.method,
            path=call.path,
            kind=place.kind,
            nature=place.nature,
            status=0 if answer is None else answer.status,
            rows=call.rows,
            milliseconds=round(milliseconds, 2),
            fault=", ".join(fault.kind for fault in struck),
            note=call.note,
        )
        self.journal.note(entry, call.headers, call.body)

    def _changed(self, change: Change) -> None:
        self.journal.changed(change)

    def _fill(self, state: State | None) -> None:
        options = self.options
        self.crm = Crm(options.portal_id, self.now, state.crm if state else None)
        limit = RateLimit(options.rate_limit, options.clock.monotonic)
        self.hubspot = HubSpotApi(self.crm, limit, self._changed)
        self.hooks = HookReceiver(options.hooks, self.now, self._changed, state.hooks if state else None)
        define(self.crm, options)


def define(crm: Crm, options: SandboxOptions) -> None:
    """Define in *crm* what the options ask for; what is there already stays as it is.

    Raises:
        ConfigError: A definition is wrong.
    """
    try:
        for source in options.schemas:
            schema = msgspec.convert(source, NewSchema)
            if all(each.name != schema.name for each in crm.objects()):
                crm.define_object(schema)
        for name, sources in options.properties.items():
            _define_properties(crm, name, [msgspec.convert(source, NewProperty) for source in sources])
    except (msgspec.ValidationError, RefusedError) as error:
        raise ConfigError(Problem("sandbox options", f"a definition is wrong: {error}")) from error


def _define_properties(crm: Crm, name: str, wanted: list[NewProperty]) -> None:
    crm_object = crm.object(name)
    for each in wanted:
        if each.name not in crm_object.properties:
            crm.define_property(crm_object, each)


def _with_status(system: System, fault: Fault, _answer: Answer) -> Answer | None:
    return system.failure(fault.status)


def _with_429(system: System, fault: Fault, _answer: Answer) -> Answer | None:
    answer = system.failure(429)
    if fault.retry_after is not None:
        answer.headers["Retry-After"] = fault.retry_after
    return answer


def _with_401(system: System, _fault: Fault, _answer: Answer) -> Answer | None:
    return system.failure(401)


def _without_answer(_system: System, _fault: Fault, _answer: Answer) -> Answer | None:
    return None


def _without_body(_system: System, _fault: Fault, answer: Answer) -> Answer | None:
    return Answer(answer.status, None, answer.headers)


def _without_rows(_system: System, fault: Fault, answer: Answer) -> Answer | None:
    if not isinstance(answer.body, dict) or not isinstance(answer.body.get("results"), list):
        return answer
    rows = answer.body["results"]
    return Answer(answer.status, answer.body | {"results": rows[: max(0, len(rows) - fault.rows)]}, answer.headers)


_SPOILED: Mapping[str, Callable[[System, Fault, Answer], Answer | None]] = {
    "too_many_requests": _with_429,
    "error_before": _with_status,
    "error_after": _with_status,
    "reset_before": _without_answer,
    "reset_after": _without_answer,
    "drop_rows": _without_rows,
    "empty_answer": _without_body,
    "unauthorized": _with_401,
}
