"""The CRM's errors, spelt as its documentation spells them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dbt_activate.sandbox.exchange import Answer, new_id
from dbt_activate.sandbox.properties import ValueFault

NOT_AUTHENTICATED = "Authentication credentials not found. This API supports OAuth 2.0 and private app access tokens."


class RefusedError(Exception):
    """A request that is refused whole, with all that its answer says."""

    def __init__(
        self, status: int, category: str, message: str, *, errors: Sequence[Mapping[str, object]] = (), **extra: object
    ) -> None:
        super().__init__(message)
        self.status = status
        self.category = category
        self.errors = errors
        self.extra = extra

    def answer(self) -> Answer:
        """The answer that says so."""
        body: dict[str, object] = {"status": "error", "message": str(self), "correlationId": new_id()}
        if self.errors:
            body["errors"] = list(self.errors)
        return Answer(self.status, body | self.extra | {"category": self.category})


@dataclass(frozen=True, slots=True)
class RowFault:
    """Why one row of a batch was refused while others may have been taken.

    Attributes:
        context: What names the row: ``objectWriteTraceId``, ``ids``.
    """

    category: str
    message: str
    context: Mapping[str, Sequence[str]] = field(default_factory=dict)
    details: Sequence[Mapping[str, object]] = ()

    def body(self) -> dict[str, object]:
        """As it stands in the ``errors`` of a 207. ``links`` is left out and so are empty ``errors``: as documented."""
        body: dict[str, object] = {
            "status": "error",
            "category": self.category,
            "message": self.message,
            "context": self.context,
        }
        return body | {"errors": list(self.details)} if self.details else body


def invalid(message: str, *, errors: Sequence[Mapping[str, object]] = ()) -> RefusedError:
    """A 400 for what the caller wrote."""
    return RefusedError(400, "VALIDATION_ERROR", message, errors=errors)


def not_found(message: str = "resource not found") -> RefusedError:
    """A 404 for a record or a path."""
    return RefusedError(404, "OBJECT_NOT_FOUND", message)


def missing_objects(singular: str, ids: Sequence[str], trace: str | None = None) -> RowFault:
    """Rows that name records which are not there."""
    context: dict[str, Sequence[str]] = {"ids": ids}
    if trace is not None:
        context["objectWriteTraceId"] = [trace]
    message = (
        f"Could not get some {singular.upper()} objects, they may be deleted or not exist. Check that ids are valid."
    )
    return RowFault("OBJECT_NOT_FOUND", message, context)


def details_of(faults: Sequence[ValueFault]) -> list[Mapping[str, object]]:
    """Refused values, as an answer's ``errors`` lists them."""
    return [
        {"message": fault.message, "code": fault.code, "context": {"propertyName": [fault.property]}}
        for fault in faults
    ]


def values_refused(faults: Sequence[ValueFault], portal_id: int) -> RefusedError:
    """The 400 for a request of which some values are refused."""
    return invalid(values_message(faults, portal_id), errors=details_of(faults))


def values_message(faults: Sequence[ValueFault], portal_id: int) -> str:
    """The sentence with a JSON list in it that the CRM writes for refused values."""
    listed = [
        {
            "isValid": False,
            "message": fault.message,
            "error": fault.code,
            "name": fault.property,
            "localizedErrorMessage": fault.message,
            "propertyValue": fault.value,
            "portalId": portal_id,
        }
        for fault in faults
    ]
    return f"Property values were not valid: {json.dumps(listed)}"
