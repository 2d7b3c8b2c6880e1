"""One CRM account: its objects, standard and custom, and what can be defined in it."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from dbt_activate.sandbox.catalog import STANDARD_OBJECTS, StandardObject, custom_properties, standard_properties
from dbt_activate.sandbox.hubspot_errors import RefusedError, invalid
from dbt_activate.sandbox.hubspot_messages import NewProperty, NewSchema, NewSchemaProperty
from dbt_activate.sandbox.properties import Property
from dbt_activate.sandbox.records import CrmObject, Definition, ObjectState

FIRST_ID = 1_001
MOST_UNIQUE_PROPERTIES = 10
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")


class CrmState(msgspec.Struct, kw_only=True):
    """A whole account, for the state file."""

    next_id: int
    objects: list[ObjectState]


class Crm:
    """The objects of one account.

    Attributes:
        portal_id: The account's own id.
    """

    def __init__(self, portal_id: int, now: Callable[[], str], state: CrmState | None = None) -> None:
        self.portal_id = portal_id
        self.now = now
        self._next_id = state.next_id if state else FIRST_ID
        states = state.objects if state else [_standard(each, now()) for each in STANDARD_OBJECTS]
        self._objects: dict[str, CrmObject] = {}
        self._aliases: dict[str, str] = {}
        for each in states:
            self._add(CrmObject(each))

    def state(self) -> CrmState:
        """The whole account, for the state file."""
        return CrmState(next_id=self._next_id, objects=[each.state() for each in self._objects.values()])

    def objects(self) -> Iterable[CrmObject]:
        """Every object, standard ones first."""
        return self._objects.values()

    def object(self, name: str) -> CrmObject:
        """The object with this name, alias or type id; a 400 where there is none."""
        found = self._objects.get(self._aliases.get(name.lower(), ""))
        if found is None:
            raise invalid(f"Unable to infer object type from: {name}")
        return found

    def new_record_id(self) -> str:
        """The next record id; ids grow over all objects and are never given twice."""
        number, self._next_id = self._next_id, self._next_id + 1
        return str(number)

    def define_property(self, crm_object: CrmObject, new: NewProperty) -> Property:
        """Add a property to an object; a 409 where it has one of that name."""
        if new.name in crm_object.properties:
            raise RefusedError(
                409, "OBJECT_ALREADY_EXISTS", f"A property named '{new.name}' already exists.", subCategory="Properties"
            )
        _check_name(new.name)
        _check_options(new)
        custom = [p for p in crm_object.properties.values() if p.has_unique_value and not p.hubspot_defined]
        if new.has_unique_value and len(custom) >= MOST_UNIQUE_PROPERTIES:
            raise invalid(f"An object can have at most {MOST_UNIQUE_PROPERTIES} unique properties.")
        made = _property(new, new.group_name, self.now())
        crm_object.add_property(made)
        return made

    def define_object(self, new: NewSchema) -> CrmObject:
        """Add a custom object; a 409 where there is one of that name."""
        _check_name(new.name)
        if new.name in self._aliases:
            raise RefusedError(409, "OBJECT_ALREADY_EXISTS", f"An object type named '{new.name}' already exists.")
        _check_mentioned(new)
        for each in new.properties:
            _check_name(each.name)
            _check_options(each)
        made = CrmObject(self._custom(new))
        self._add(made)
        return made

    def qualified_name(self, crm_object: CrmObject) -> str:
        """The name of a custom object with the account in it."""
        return f"p{self.portal_id}_{crm_object.name}"

    def _custom(self, new: NewSchema) -> ObjectState:
        at = self.now()
        group = f"{new.name}_information"
        type_id = f"2-{sum(each.definition.is_custom for each in self._objects.values()) + 1}"
        own = {each.name: _property(each, each.group_name or group, at) for each in new.properties}
        definition = Definition(
            name=new.name,
            singular=new.labels.singular or new.name,
            plural=new.labels.plural or new.name,
            type_id=type_id,
            aliases=(type_id, f"p{self.portal_id}_{new.name}", f"p_{new.name}"),
            created="hs_createdate",
            modified="hs_lastmodifieddate",
            shown=tuple(new.searchable_properties),
            required=tuple(new.required_properties),
            display=new.primary_display_property or next(iter(own), ""),
            description=new.description,
            is_custom=True,
            created_at=at,
        )
        return ObjectState(
            definition=definition, properties=[*own.values(), *custom_properties(group, at).values()], records=[]
        )

    def _add(self, crm_object: CrmObject) -> None:
        self._objects[crm_object.name] = crm_object
        for alias in (crm_object.name, *crm_object.definition.aliases):
            self._aliases[alias.lower()] = crm_object.name


def _standard(standard: StandardObject, at: str) -> ObjectState:
    definition = Definition(
        name=standard.name,
        singular=standard.singular,
        plural=standard.name,
        type_id=standard.type_id,
        aliases=standard.aliases,
        created=standard.created,
        modified=standard.modified,
        shown=standard.shown,
        display=standard.display,
        created_at=at,
    )
    return ObjectState(definition=definition, properties=list(standard_properties(standard, at).values()), records=[])


def _property(new: NewSchemaProperty, group: str, at: str) -> Property:
    return Property(
        name=new.name,
        label=new.label,
        type=new.type,
        field_type=new.field_type,
        group_name=group,
        description=new.description,
        options=new.options,
        has_unique_value=new.has_unique_value,
        external_options=new.external_options,
        hidden=new.hidden,
        form_field=new.form_field,
        display_order=new.display_order,
        created_at=at,
        updated_at=at,
    )


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise invalid(f"'{name}' is no valid name: small letters, digits and underscores, a letter first.")


def _check_options(new: NewSchemaProperty) -> None:
    if new.type == "enumeration" and not new.options and not new.external_options:
        raise invalid(f"Property '{new.name}' is an enumeration: it needs options.")


def _check_mentioned(new: NewSchema) -> None:
    known = {each.name for each in new.properties}
    mentioned: Sequence[str] = [*new.required_properties, *new.searchable_properties]
    missing = [name for name in (*mentioned, new.primary_display_property or "") if name and name not in known]
    if missing:
        raise invalid(f"The schema names properties that it does not define: {', '.join(missing)}")


def definition_of(source: Mapping[str, object]) -> NewProperty:
    """Read a property as ``POST /crm/v3/properties`` takes it.

    Raises:
        ValueError: It is not one.
    """
    return msgspec.convert(source, NewProperty)
