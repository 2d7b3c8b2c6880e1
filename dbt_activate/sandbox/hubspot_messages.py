"""What the CRM's requests may say. A key that the published description does not know is refused."""

from typing import Literal, TypeVar

import msgspec

from dbt_activate.sandbox.exchange import Call
from dbt_activate.sandbox.hubspot_errors import invalid
from dbt_activate.sandbox.properties import Option

MOST_INPUTS = 100


class CreateInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """One record to make."""

    properties: dict[str, str]
    object_write_trace_id: str | None = None
    associations: list[object] = []


class UpdateInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """One record to write to: its id, or the value of its *id_property*."""

    id: str
    properties: dict[str, str]
    id_property: str | None = None
    object_write_trace_id: str | None = None


class IdInput(msgspec.Struct, forbid_unknown_fields=True):
    """One record, named."""

    id: str


class CreateBatch(msgspec.Struct):
    """A body of ``batch/create``."""

    inputs: list[CreateInput]


class UpdateBatch(msgspec.Struct):
    """A body of ``batch/update`` and ``batch/upsert``."""

    inputs: list[UpdateInput]


class ArchiveBatch(msgspec.Struct):
    """A body of ``batch/archive``."""

    inputs: list[IdInput]


class ReadBatch(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A body of ``batch/read``."""

    inputs: list[IdInput]
    properties: list[str] = []
    properties_with_history: list[str] = []
    id_property: str | None = None


class OneRecord(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of a single create or update."""

    properties: dict[str, str]
    associations: list[object] = []


class Erasure(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """The body of ``gdpr-delete``."""

    object_id: str
    id_property: str | None = None


class NewSchemaProperty(msgspec.Struct, rename="camel", kw_only=True):
    """A property, as it is defined together with a custom object."""

    name: str
    label: str
    type: Literal["string", "number", "date", "datetime", "enumeration", "bool"]
    field_type: str
    group_name: str = ""
    description: str = ""
    options: list[Option] = []
    has_unique_value: bool = False
    external_options: bool = False
    hidden: bool = False
    form_field: bool = False
    display_order: int = -1


class NewProperty(NewSchemaProperty, rename="camel", kw_only=True):
    """A property, as it is added to an object that there is."""

    group_name: str


class Labels(msgspec.Struct, kw_only=True):
    """What people call an object."""

    singular: str = ""
    plural: str = ""


class NewSchema(msgspec.Struct, rename="camel", kw_only=True):
    """A custom object."""

    name: str
    labels: Labels
    required_properties: list[str]
    properties: list[NewSchemaProperty]
    associated_objects: list[str]
    searchable_properties: list[str] = []
    secondary_display_properties: list[str] = []
    primary_display_property: str | None = None
    description: str = ""


Body = TypeVar("Body")


def read_body(call: Call, kind: type[Body]) -> Body:
    """Read the body of *call* as *kind*; a 400 that says where it is wrong."""
    try:
        return msgspec.json.decode(call.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid(f"Invalid input JSON: {error}") from error
