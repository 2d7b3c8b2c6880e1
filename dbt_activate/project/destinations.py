"""Reads ``destinations.yml``: which destinations there are, and the connection of each for the active target."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dbt_activate.errors import ConfigError, Problem
from dbt_activate.project.addresses import is_loopback
from dbt_activate.project.dbt_project import ProjectOptions
from dbt_activate.project.faults import Faults, choice, shown
from dbt_activate.project.rendering import Surroundings
from dbt_activate.project.schemas import schema
from dbt_activate.project.settings import SettingsReader
from dbt_activate.project.tokens import tokens_in
from dbt_activate.project.yaml_text import read_yaml
from dbt_activate.values.destination import Connection, Limits
from dbt_activate.values.json import Schema
from dbt_activate.values.sync import Location

FILE = "destinations.yml"
SANDBOX = "sandbox"
SANDBOX_URL = "http://127.0.0.1:8765"
_LIMITS = ("max_requests_per_second", "max_concurrency", "timeout_seconds", "daily_request_budget")
_NOT_SETTINGS = frozenset({*_LIMITS, "type", "allow_private_addresses"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationKind:
    """What must be known of a type of destination to check a project.

    Attributes:
        connection_schema: JSON Schema of its settings; ``"x-secret": true`` marks a secret one.
        object_required: Whether a sync must name an object.
        local: Whether it writes to this machine only.
    """

    connection_schema: Schema
    object_required: bool = True
    local: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Destinations:
    """``destinations.yml`` as it stands: destination to output to its settings, nothing rendered.

    *file* is where it is, or would be; *place* is what messages call it. *names* also holds the destinations that are
    broken, so that a sync of one is not called a second fault; it is None where the file could not be read. *found*
    tells whether there is such a file.
    """

    file: Path
    place: str
    outputs: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict, repr=False)
    names: tuple[str, ...] | None = None
    found: bool = True

    def at(self, *path: str) -> Location:
        """The place of *path* in the file."""
        return Location(self.place, path)


def read_destinations(options: ProjectOptions, faults: Faults) -> Destinations:
    """Find the file and read it. What is wrong in one destination is noted in *faults* and leaves the others usable."""
    places = list(_directories(options))
    directory = next((place for place in places if (place / FILE).exists()), places[0])
    path = directory / FILE
    place = FILE if directory == options.project_dir else str(path)
    if not path.exists():
        return Destinations(file=path, place=place, found=False)
    raw = faults.attempt(_mapping, path, place)
    if raw is None:
        return Destinations(file=path, place=place)
    return Destinations(file=path, place=place, outputs=dict(_sound(raw, place, faults)), names=tuple(raw))


def _directories(options: ProjectOptions) -> Iterator[Path]:
    given = options.destinations_dir or options.environ.get("DBT_ACTIVATE_DESTINATIONS_DIR")
    if given:
        yield Path(given)
        return
    yield options.project_dir
    yield options.home


def _mapping(path: Path, place: str) -> dict[str, Any]:
    try:
        value = read_yaml(path.read_bytes(), place).value
    except OSError as error:
        raise ConfigError(Problem(place, f"the file cannot be read: {error.strerror}")) from error
    if not isinstance(value, dict | None):
        raise ConfigError(Problem(place, f"needs a mapping from destination to its outputs, not {shown(value)}"))
    return value or {}


def _sound(raw: Mapping[str, Any], place: str, faults: Faults) -> Iterator[tuple[str, Mapping[str, Any]]]:
    from dbt_activate.project.shapes import Shape

    definitions = schema("destinations")["$defs"]
    definitions["output"] = {"type": "object", "required": ["type"], "properties": definitions["output"]["properties"]}
    definitions["output"]["properties"] = {"type": {"type": "string", "minLength": 1}}
    shape = Shape({"$defs": definitions, "$ref": "#/$defs/destination"})
    for name, destination in raw.items():
        problems = shape.problems(destination, Location(place, (name,)))
        faults.extend(problems)
        if not problems:
            yield name, destination["outputs"]


def check_outputs(destinations: Destinations, types: Iterable[str], faults: Faults) -> None:
    """Note what can be seen of every output without rendering it: an unknown type, a secret that stands in the file."""
    known = [*types, SANDBOX]
    for name, outputs in destinations.outputs.items():
        for output, raw in outputs.items():
            at = destinations.at(name, "outputs", output)
            if raw["type"] not in known:
                faults.add(at.at("type"), f"{shown(raw['type'])} is no type", choice(raw["type"], known))
            if not _in_the_sandbox(raw):
                _refuse_tokens(raw, at, faults)


def _refuse_tokens(raw: Mapping[str, Any], at: Location, faults: Faults) -> None:
    for place, kind in tokens_in(dict(raw), at):
        faults.add(place, f"this looks like {kind}", "take it from the environment: \"{{ env_var('NAME') }}\"")


def _in_the_sandbox(raw: Mapping[str, Any]) -> bool:
    return raw["type"] == SANDBOX and is_loopback(str(raw.get("url", SANDBOX_URL)))


def kind_of(destinations: Destinations, name: str, target: str, kinds: Mapping[str, DestinationKind]) -> str | None:
    """The type of *name* at *target*, in the sandbox the one it acts as; None where that is unclear."""
    raw = destinations.outputs.get(name, {}).get(target)
    if raw is None:
        return None
    kind = raw.get("emulate") if raw["type"] == SANDBOX else raw["type"]
    return kind if isinstance(kind, str) and kind in kinds else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """Makes the connections of one target."""

    destinations: Destinations
    kinds: Mapping[str, DestinationKind]
    target: str
    surroundings: Surroundings

    def connect(self, name: str) -> Connection | None:
        """The connection of destination *name*; None where a fault of it has been told already.

        Raises:
            ConfigError: There is no output for the target, or what is in it is wrong.
        """
        outputs = self.destinations.outputs.get(name)
        if outputs is None:
            return None
        if self.target not in outputs:
            fault = f"there is no output '{self.target}', the active target"
            remedy = f"there are: {', '.join(outputs)}; add one of that name, or give --destination-target"
            raise ConfigError(Problem(str(self.destinations.at(name, "outputs")), fault, remedy))
        kind = kind_of(self.destinations, name, self.target, self.kinds)
        raw = outputs[self.target]
        at = self.destinations.at(name, "outputs", self.target)
        if kind is None:
            _refuse_no_kind(raw, at, self.kinds)
            return None
        return self._connection(name, raw, self.kinds[kind], at)

    def _connection(self, name: str, raw: Mapping[str, Any], kind: DestinationKind, at: Location) -> Connection:
        sandboxed = raw["type"] == SANDBOX
        rules = _rules(kind.connection_schema, sandboxed=sandboxed)
        reader = SettingsReader(rules, self.surroundings, literals=_in_the_sandbox(raw))
        settings = reader.read({**({"url": SANDBOX_URL} if sandboxed else {}), **raw}, at)
        limits = {key: settings[key] for key in _LIMITS if settings.get(key) is not None}
        return Connection(
            name=name,
            output=self.target,
            type=raw["type"],
            settings={key: value for key, value in settings.items() if key not in _NOT_SETTINGS},
            limits=Limits(**limits),
            allow_private_addresses=bool(settings.get("allow_private_addresses", sandboxed or kind.local)),
            directory=str(self.destinations.file.parent.absolute()),
        )


def _refuse_no_kind(raw: Mapping[str, Any], at: Location, kinds: Mapping[str, DestinationKind]) -> None:
    if raw["type"] != SANDBOX:
        return
    emulated = raw.get("emulate")
    fault = "`emulate` is missing" if emulated is None else f"{shown(emulated)} is no type to act as"
    place = at if emulated is None else at.at("emulate")
    raise ConfigError(Problem(str(place), fault, choice(str(emulated or ""), kinds)))


def _rules(connection: Schema, *, sandboxed: bool) -> dict[str, Any]:
    definitions = schema("destinations")["$defs"]
    own: Mapping[str, Any] = dict(connection)
    added = definitions["sandbox"]["properties"] if sandboxed else {}
    properties = {
        "type": {"type": "string"},
        **definitions["connection"]["properties"],
        **own.get("properties", {}),
        **added,
    }
    rules = {"additionalProperties": False, **own, "type": "object", "properties": properties}
    # The sandbox lets everybody in, so nothing that the real system needs must be given.
    return {key: value for key, value in rules.items() if not sandboxed or key in _SANDBOX_RULES}


_SANDBOX_RULES = frozenset({"$defs", "additionalProperties", "properties", "type"})
