"""The objects and properties that a new CRM account has, as data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dbt_activate.sandbox.properties import ModificationMetadata, Option, Property, PropertyType


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardObject:
    """An object that every account has.

    Attributes:
        aliases: Other names that a path may use for it.
        shown: Properties that a read gives where none are asked for, beside the system's own three.
    """

    name: str
    singular: str
    type_id: str
    aliases: tuple[str, ...]
    created: str
    modified: str
    shown: tuple[str, ...]
    display: str
    properties: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)


# name: "label | type | field type | marks", where the marks are u unique, r written by the CRM only, c calculated,
# x options kept elsewhere.
_SYSTEM = {
    "hs_object_id": "Record ID | number | number | r",
    "hs_object_source": "Record source | string | text | r",
}

_CONTACT = {
    "email": "Email | string | text | u",
    "firstname": "First name | string | text",
    "lastname": "Last name | string | text",
    "phone": "Phone number | string | phonenumber",
    "mobilephone": "Mobile phone number | string | phonenumber",
    "company": "Company name | string | text",
    "jobtitle": "Job title | string | text",
    "website": "Website URL | string | text",
    "address": "Street address | string | text",
    "city": "City | string | text",
    "state": "State/Region | string | text",
    "zip": "Postal code | string | text",
    "country": "Country/Region | string | text",
    "industry": "Industry | string | text",
    "annualrevenue": "Annual revenue | string | text",
    "date_of_birth": "Date of birth | string | text",
    "lifecyclestage": "Lifecycle stage | enumeration | radio",
    "hs_lead_status": "Lead status | enumeration | radio",
    "hubspot_owner_id": "Contact owner | enumeration | select | x",
    "hs_email_optout": "Unsubscribed from all email | bool | booleancheckbox | r",
    "closedate": "Close date | datetime | date",
    "num_associated_deals": "Number of associated deals | number | number | rc",
    "total_revenue": "Total revenue | number | number | rc",
    "createdate": "Create date | datetime | date | r",
    "lastmodifieddate": "Last modified date | datetime | date | r",
}

_COMPANY = {
    "name": "Company name | string | text",
    "domain": "Company domain name | string | text",
    "website": "Website URL | string | text",
    "phone": "Phone number | string | phonenumber",
    "description": "Description | string | textarea",
    "address": "Street address | string | text",
    "city": "City | string | text",
    "state": "State/Region | string | text",
    "zip": "Postal code | string | text",
    "country": "Country/Region | string | text",
    "industry": "Industry | enumeration | select",
    "type": "Type | enumeration | radio",
    "lifecyclestage": "Lifecycle stage | enumeration | radio",
    "annualrevenue": "Annual revenue | number | number",
    "numberofemployees": "Number of employees | number | number",
    "founded_year": "Year founded | string | text",
    "is_public": "Is public | bool | booleancheckbox",
    "hubspot_owner_id": "Company owner | enumeration | select | x",
    "num_associated_contacts": "Number of associated contacts | number | number | rc",
    "createdate": "Create date | datetime | date | r",
    "hs_lastmodifieddate": "Last modified date | datetime | date | r",
}

_DEAL = {
    "dealname": "Deal name | string | text",
    "amount": "Amount | number | number",
    "closedate": "Close date | datetime | date",
    "dealstage": "Deal stage | enumeration | radio",
    "pipeline": "Pipeline | enumeration | select",
    "dealtype": "Deal type | enumeration | radio",
    "description": "Deal description | string | textarea",
    "hs_priority": "Priority | enumeration | select",
    "hubspot_owner_id": "Deal owner | enumeration | select | x",
    "hs_is_closed": "Is closed | bool | calculation_read_time | rc",
    "num_associated_contacts": "Number of associated contacts | number | number | rc",
    "createdate": "Create date | datetime | date | r",
    "hs_lastmodifieddate": "Last modified date | datetime | date | r",
}

_CUSTOM = {
    "hs_createdate": "Object create date/time | datetime | date | r",
    "hs_lastmodifieddate": "Object last modified date/time | datetime | date | r",
}

_STAGES = "subscriber lead marketingqualifiedlead salesqualifiedlead opportunity customer evangelist other"

STANDARD_OBJECTS: Sequence[StandardObject] = (
    StandardObject(
        name="contacts",
        singular="contact",
        type_id="0-1",
        aliases=("contact", "0-1"),
        created="createdate",
        modified="lastmodifieddate",
        shown=("email", "firstname", "lastname"),
        display="email",
        properties=_CONTACT,
        options={
            "lifecyclestage": _STAGES,
            "hs_lead_status": "NEW OPEN IN_PROGRESS OPEN_DEAL UNQUALIFIED ATTEMPTED_TO_CONTACT CONNECTED BAD_TIMING",
        },
    ),
    StandardObject(
        name="companies",
        singular="company",
        type_id="0-2",
        aliases=("company", "0-2"),
        created="createdate",
        modified="hs_lastmodifieddate",
        shown=("name", "domain"),
        display="name",
        properties=_COMPANY,
        options={
            "lifecyclestage": _STAGES,
            "type": "PROSPECT PARTNER RESELLER VENDOR OTHER",
            "industry": "ACCOUNTING AIRLINES_AVIATION AUTOMOTIVE BANKING BIOTECHNOLOGY COMPUTER_SOFTWARE "
            "CONSUMER_GOODS EDUCATION_MANAGEMENT FINANCIAL_SERVICES HOSPITAL_HEALTH_CARE INSURANCE INTERNET "
            "MUSIC REAL_ESTATE RETAIL "
            "TELECOMMUNICATIONS UTILITIES",
        },
    ),
    StandardObject(
        name="deals",
        singular="deal",
        type_id="0-3",
        aliases=("deal", "0-3"),
        created="createdate",
        modified="hs_lastmodifieddate",
        shown=("dealname", "amount", "dealstage", "pipeline", "closedate"),
        display="dealname",
        properties=_DEAL,
        options={
            "dealstage": "appointmentscheduled qualifiedtobuy presentationscheduled decisionmakerboughtin contractsent "
            "closedwon closedlost",
            "pipeline": "default",
            "dealtype": "newbusiness existingbusiness",
            "hs_priority": "low medium high",
        },
    ),
)


def standard_properties(standard: StandardObject, at: str) -> dict[str, Property]:
    """The properties that *standard* has in a new account, as if defined *at* that time, by name."""
    group = f"{standard.singular}information"
    lines = {**standard.properties, **_SYSTEM}
    return {name: _property(name, line, group, standard.options.get(name, ""), at) for name, line in lines.items()}


def custom_properties(group: str, at: str) -> dict[str, Property]:
    """The properties that the CRM adds to every custom object, by name."""
    return {name: _property(name, line, group, "", at) for name, line in {**_CUSTOM, **_SYSTEM}.items()}


_TYPES: Mapping[str, PropertyType] = {
    name: name  # type: ignore[misc] # a literal is what it says
    for name in ("string", "number", "bool", "date", "datetime", "enumeration")
}


def _property(name: str, line: str, group: str, options: str, at: str) -> Property:
    label, kind, field_type, marks = [*(part.strip() for part in line.split("|")), ""][:4]
    read_only = "r" in marks
    return Property(
        name=name,
        label=label,
        type=_TYPES[kind],
        field_type=field_type,
        group_name=group,
        options=[Option(label=value, value=value, display_order=n) for n, value in enumerate(options.split())],
        has_unique_value="u" in marks,
        calculated="c" in marks,
        external_options="x" in marks,
        hubspot_defined=True,
        created_at=at,
        updated_at=at,
        modification_metadata=ModificationMetadata(
            archivable=False, read_only_definition=True, read_only_value=read_only
        ),
    )
