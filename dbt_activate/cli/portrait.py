"""What a type of destination is like: its settings, its objects, and what they take. Each as data and as text."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, TypeAlias

from dbt_activate.cli.application import Application
from dbt_activate.cli.inquiry import ask
from dbt_activate.cli.layout import one_line, table
from dbt_activate.contracts import Destination
from dbt_activate.errors import ActivateError, ConfigError, Problem
from dbt_activate.project.destinations import SANDBOX
from dbt_activate.project.faults import choice
from dbt_activate.project.inventory import needs_of, placeholders_of, settings_of
from dbt_activate.project.schemas import schema
from dbt_activate.registry import DestinationKinds, SystemClock, connect
from dbt_activate.values.destination import Connection, DeliveryClass, FieldSpec, ObjectSpec

Portrait: TypeAlias = tuple[Any, str]
"""The same as JSON data and as text."""

MEANING: Mapping[DeliveryClass, str] = {
    DeliveryClass.UPSERT: "sent again: one record however often it is sent",
    DeliveryClass.IDEMPOTENCY_KEY: "sent again: a request that was applied is known by its key",
    DeliveryClass.READ_BACK: "looked for, and sent again where it is not there",
    DeliveryClass.APPEND: "never sent again: the row stays unknown",
    DeliveryClass.TRANSACTION: "sent again: applied once, by a marker in the same transaction",
}
"""What a class means for rows whose answer was lost."""

ABOUT_SANDBOX = "The local emulator, `dbt-activate sandbox`, acting as another type."


def all_types(kinds: DestinationKinds) -> Portrait:
    """Every type, with what it needs."""
    facts = [*(_summary(kinds, name) for name in kinds)]
    facts.append({"type": SANDBOX, "installed": True, "needs": "emulate", "about": ABOUT_SANDBOX})
    rows = [(fact["type"], fact["needs"], fact["about"]) for fact in facts]
    more = "`dbt-activate destinations TYPE` lists the settings and objects of a type."
    return facts, f"{table(('type', 'needs', 'what it is'), rows)}\n\n{more}"


def _summary(kinds: DestinationKinds, name: str) -> dict[str, Any]:
    try:
        kind = kinds.load(name)
    except ConfigError as error:
        return {"type": name, "installed": False, "needs": "", "about": one_line(error)}
    return {"type": name, "installed": True, "needs": needs_of(kind.connection_schema), "about": _about(kind)}


def _about(kind: type[Destination]) -> str:
    return (kind.__doc__ or "").strip().partition("\n")[0]


def one_type(kinds: DestinationKinds, name: str) -> Portrait:
    """One type: its settings and its objects.

    Raises:
        ConfigError: There is no such type.
    """
    _refuse_unknown(kinds, name)
    definitions = schema("destinations")["$defs"]
    kind = kinds.load(name) if name != SANDBOX else None
    about = _about(kind) if kind else ABOUT_SANDBOX
    settings = settings_of(kind.connection_schema if kind else definitions["sandbox"])
    common = settings_of(definitions["connection"])
    objects = stand_in(name, kinds).objects() if kind else ()
    required = kind.object_required if kind else False
    facts = {
        "type": name,
        "about": about,
        "settings": settings,
        "common_settings": common,
        "object_required": required,
        "objects": list(objects),
    }
    told = _objects(name, objects, required) if kind else "Objects: those of the type that it acts as."
    parts = (f"{name}: {about}", _listed("Settings", settings), _listed("Settings of every type", common), told)
    return facts, "\n\n".join(parts)


def _refuse_unknown(kinds: DestinationKinds, name: str) -> None:
    if name not in {*kinds, SANDBOX}:
        raise ConfigError(Problem("destinations", f"there is no type '{name}'", choice(name, [*kinds, SANDBOX])))


def _objects(name: str, objects: Iterable[str], required: bool) -> str:
    if objects:
        return f"Objects: {', '.join(objects)}. `dbt-activate destinations {name} OBJECT` says more."
    return f"Objects: any name{'' if required else ', or none'}."


def _listed(title: str, settings: Iterable[Mapping[str, object]]) -> str:
    rows = (tuple(setting.values()) for setting in settings)
    return f"{title}\n{table(('name', 'type', 'required', 'secret', 'description'), rows)}"


def one_object(kinds: DestinationKinds, name: str, object_name: str) -> Portrait:
    """What an object of a type takes, as far as that is known without a connection.

    Raises:
        ConfigError: There is no such type or object.
    """
    _refuse_unknown(kinds, name)
    if name == SANDBOX:
        fault = "has the objects of the type that it acts as"
        raise ConfigError(Problem("destinations sandbox", fault, "name that type"))
    spec = stand_in(name, kinds).describe(object_name)
    return {"type": name, "object": _document(spec)}, f"{name}, {object_name}\n\n{_text(spec)}"


def live_object(application: Application, name: str | None, object_name: str | None) -> Portrait:
    """What an object takes, as destination *name* of the project says.

    Raises:
        ActivateError: There is no such destination, or it does not answer.
    """
    if name is None:
        raise ConfigError(Problem("--online", "names no destination", "write `--online NAME OBJECT`"))
    link = application.link(application.connection(name))
    [reply] = ask({name: link}, [(link.destination.discover, (object_name,))], application.clock)
    if reply.error is not None:
        raise reply.error
    spec: ObjectSpec = reply.value
    facts = {"destination": name, "type": link.destination.connection.type, "object": _document(spec)}
    return facts, f"{name}, {spec.name or 'its only object'}\n\n{_text(spec)}"


def _document(spec: ObjectSpec) -> dict[str, Any]:
    operations = {
        operation.value: {
            "class": each.delivery.value,
            "meaning": MEANING[each.delivery],
            "rows": each.rows,
            "bytes": each.bytes,
            "atomic": each.atomic,
        }
        for operation, each in spec.operations.items()
    }
    fields = None if spec.fields is None else [asdict(field) for field in spec.fields.values()]
    return {**asdict(spec), "operations": operations, "fields": fields}


def _text(spec: ObjectSpec) -> str:
    rows = [
        (operation, one.delivery, one.rows, one.bytes or "any", one.atomic, MEANING[one.delivery])
        for operation, one in spec.operations.items()
    ]
    operations = table(("operation", "class", "rows", "bytes", "whole", "after a lost answer"), rows)
    return f"Operations, with the most rows and bytes of a request\n{operations}\n\n{_fields(spec)}"


def _fields(spec: ObjectSpec) -> str:
    if spec.fields is None:
        return "Fields: any; or only the live system knows, and `--online NAME OBJECT` asks it."
    rows = [
        (one.name, one.type, one.required, one.identifier, _writable(one), one.max_length, len(one.options) or None)
        for one in spec.fields.values()
    ]
    return f"Fields\n{table(('field', 'type', 'required', 'identifier', 'written', 'longest', 'options'), rows)}"


def _writable(field: FieldSpec) -> str:
    ways = {(True, True): "always", (True, False): "on create", (False, True): "on update"}
    return ways.get((field.createable, field.updateable), "never")


def stand_in(name: str, kinds: DestinationKinds) -> Destination:
    """A destination of type *name* that leads nowhere: good for questions that need no connection.

    Raises:
        ConfigError: It cannot be made without real settings.
    """
    settings = dict(placeholders_of(kinds.load(name).connection_schema))
    connection = Connection(name=name, output="none", type=name, settings=settings)
    try:
        return connect(connection, kinds, SystemClock(), random.Random(0)).destination  # noqa: S311 - never drawn from
    except ActivateError:
        raise
    except Exception as error:
        remedy = "ask with a connection: --online NAME OBJECT"
        raise ConfigError(Problem(f"destination type '{name}'", "says nothing without its settings", remedy)) from error
