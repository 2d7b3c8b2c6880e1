"""Properties of CRM objects: how one is defined, and which values it takes."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal, TypeAlias

import msgspec

LONGEST_VALUE = 65_536
_MILLISECONDS_PER_DAY = 86_400_000
_NUMBER = re.compile(r"-?(\d+(\.\d*)?|\.\d+)", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,15}", re.ASCII)
_EMAIL = re.compile(r"[^\s@<>(),;:\"\[\]\\]{1,64}@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}")

PropertyType = Literal["string", "number", "date", "datetime", "enumeration", "bool", "phone_number"]


@dataclass(frozen=True, slots=True)
class ValueFault:
    """Why one value of one record is refused; *code* is the CRM's word for it."""

    property: str
    code: str
    message: str
    value: str = ""


Parsed: TypeAlias = "str | ValueFault"


class Option(msgspec.Struct, forbid_unknown_fields=True, rename="camel", kw_only=True, omit_defaults=False):
    """One value that an enumeration takes."""

    label: str
    value: str
    hidden: bool = False
    display_order: int = -1
    description: str = ""


class ModificationMetadata(msgspec.Struct, rename="camel", kw_only=True):
    """What may be changed of a property."""

    archivable: bool = True
    read_only_definition: bool = False
    read_only_value: bool = False
    read_only_options: bool = False


class Property(msgspec.Struct, rename="camel", kw_only=True):
    """A property as the CRM lists it."""

    name: str
    label: str
    type: PropertyType
    field_type: str
    group_name: str
    description: str = ""
    options: list[Option] = []
    has_unique_value: bool = False
    calculated: bool = False
    external_options: bool = False
    hubspot_defined: bool = False
    hidden: bool = False
    form_field: bool = False
    display_order: int = -1
    archived: bool = False
    created_at: str | None = None
    updated_at: str | None = None
    modification_metadata: ModificationMetadata = msgspec.field(default_factory=ModificationMetadata)

    @property
    def is_read_only(self) -> bool:
        """Whether only the CRM itself writes it."""
        return self.modification_metadata.read_only_value

    def parse(self, value: str) -> Parsed:
        """Spell *value* as the CRM stores it, or say why it is refused. The empty string clears; it is always taken."""
        if self.is_read_only:
            return ValueFault(self.name, "READ_ONLY_VALUE", f'"{self.name}" is a read only property', value)
        if value == "":
            return value
        if self.name == "email":
            return _email(self, value)
        return _PARSERS[self.type](self, value)


def _string(definition: Property, value: str) -> Parsed:
    if len(value) > LONGEST_VALUE:
        message = f"{definition.name} is longer than {LONGEST_VALUE} characters"
        return ValueFault(definition.name, "INVALID_LENGTH", message)
    return value


def _email(definition: Property, value: str) -> Parsed:
    text = value.strip().lower()
    if not _EMAIL.fullmatch(text):
        return ValueFault(definition.name, "INVALID_EMAIL", f"Email address {value} is invalid", value)
    return text


def _number(definition: Property, value: str) -> Parsed:
    if not _NUMBER.fullmatch(value):
        return ValueFault(definition.name, "INVALID_INTEGER", f"{value} was not a valid number.", value)
    return value


def _bool(definition: Property, value: str) -> Parsed:
    if value not in {"true", "false"}:
        return ValueFault(definition.name, "INVALID_BOOLEAN", f"{value} was not a valid boolean.", value)
    return value


def _date(definition: Property, value: str) -> Parsed:
    if _INTEGER.fullmatch(value):
        return _midnight(definition, value)
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        return ValueFault(definition.name, "INVALID_DATE", f"{value} was not a valid date.", value)


def _midnight(definition: Property, value: str) -> Parsed:
    moment = _from_milliseconds(value)
    if moment is None:
        return ValueFault(definition.name, "INVALID_DATE", f"{value} was not a valid date.", value)
    if int(value) % _MILLISECONDS_PER_DAY:
        return ValueFault(definition.name, "INVALID_DATE", f"{value} is at {moment:%H:%M:%S} UTC, not midnight!", value)
    return moment.date().isoformat()


def _datetime(definition: Property, value: str) -> Parsed:
    moment = _from_milliseconds(value) if _INTEGER.fullmatch(value) else _from_iso(value)
    if moment is None:
        return ValueFault(definition.name, "INVALID_DATE", f"{value} was not a valid datetime.", value)
    spec = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=spec).replace("+00:00", "Z")


def _from_milliseconds(value: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(value) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _from_iso(value: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _enumeration(definition: Property, value: str) -> Parsed:
    if definition.external_options:
        return value
    known = {option.value for option in definition.options}
    chosen = _several(value) if definition.field_type == "checkbox" else [value]
    wrong = next((each for each in chosen if each not in known), None)
    if wrong is None:
        return value
    message = f"{wrong} was not one of the allowed options: [{', '.join(sorted(known))}]"
    return ValueFault(definition.name, "INVALID_OPTION", message, wrong)


def _several(value: str) -> Sequence[str]:
    return [each for each in value.split(";") if each]


def combined(definition: Property, old: str, new: str) -> str:
    """The value after *new* was written over *old*: choices that start with ``;`` are added to those there are."""
    if definition.field_type != "checkbox" or not new.startswith(";"):
        return new
    return ";".join(dict.fromkeys([*_several(old), *_several(new)]))


_PARSERS: Mapping[str, Callable[[Property, str], Parsed]] = {
    "string": _string,
    "phone_number": _string,
    "number": _number,
    "bool": _bool,
    "date": _date,
    "datetime": _datetime,
    "enumeration": _enumeration,
}
