"""The object's rules and the sync's JSON Schema: which place, which code, which words."""

import subprocess
import sys
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from dbt_activate.errors import ConfigError
from dbt_activate.mapping.checking import Checker
from dbt_activate.mapping.violation import Violation, invalid
from dbt_activate.values.destination import FieldSpec, ObjectSpec
from dbt_activate.values.json import Json, JsonObject
from dbt_activate.values.sync import Column, FieldMap, Location, Model, Operation, Sync, SyncMode


def a_sync(names: tuple[str, ...], schema: Any = None) -> Sync:
    return Sync(
        name="s",
        model=Model(unique_id="m", name="m", relation="m", file="m.yml"),
        destination="d",
        object="o",
        mode=SyncMode.UPSERT,
        primary_key=("id",),
        identifier=(),
        fields=tuple(FieldMap(path=tuple(name.split(".")), source=Column(name)) for name in names),
        at=Location("m.yml", ("s",)),
        schema=schema,
    )


def by_object(fields: JsonObject, *specs: FieldSpec, operation: Operation = Operation.UPSERT) -> tuple[Violation, ...]:
    spec = ObjectSpec(name="o", operations={}, fields={field.name: field for field in specs})
    return Checker(a_sync(tuple(field.name for field in specs)), spec).violations(fields, operation)


def by_schema(fields: JsonObject, schema: Any, *names: str) -> list[tuple[str, str, str | None, str]]:
    checker = Checker(a_sync(names or tuple(fields), schema), ObjectSpec(name="o", operations={}))
    found = checker.violations(fields, Operation.UPSERT)
    return [(item.pointer, item.code, item.field, item.message) for item in found]


GOOD: dict[str, list[Json]] = {
    "string": ["", "a"],
    "number": [1, 1.5, Decimal("0.12345678901234567890")],
    "integer": [1, 1.0, 10**30],
    "boolean": [True, False],
    "date": ["2026-01-02", 1767225600],
    "datetime": ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456789+02:00", 1767225600000],
    "enumeration": ["a", 1, True],
    "object": [{}],
    "array": [[]],
    "any": ["a", 1, True, {}, []],
}
BAD: dict[str, list[Json]] = {
    "string": [1, True, [], {}],
    "number": ["1", True],
    "integer": [1.5, "1", True, Decimal("1.5")],
    "boolean": [0, 1, "true"],
    "date": ["2026-02-30", "2026-1-2", "2026-01-02T00:00:00Z", "20260102", "2026-W01-1", "12000-01-01", True, 1.5],
    "datetime": ["2026-01-02", "2026-01-02T03:04:05", "2026-01-02T25:00:00Z", True, []],
    "enumeration": [["a"], {}],
    "object": ["{}", []],
    "array": ["[]", {}, "a"],
}


@pytest.mark.parametrize("kind", list(BAD))
def test_a_value_of_another_type_is_found_and_a_way_out_is_named(kind: str) -> None:
    for value in BAD[kind]:
        (found,) = by_object({"x": value}, FieldSpec(name="x", type=kind))
        assert (found.pointer, found.code, found.field) == ("/x", "type", "x"), value
        assert found.message.startswith("must be ")


@pytest.mark.parametrize("kind", list(GOOD))
def test_a_value_of_the_type_passes_and_so_does_null(kind: str) -> None:
    for value in [*GOOD[kind], None]:
        assert by_object({"x": value}, FieldSpec(name="x", type=kind)) == (), value


def test_every_type_of_the_contract_is_tried() -> None:
    named = {word for line in (FieldSpec.__doc__ or "").splitlines() for word in line.strip(" .*`").split()}
    assert set(GOOD) - {"any"} == set(BAD)
    assert set(GOOD) <= {word.strip("`.") for word in named}


@pytest.mark.parametrize("fields", [{}, {"x": None}])
def test_a_required_field_must_be_there(fields: JsonObject) -> None:
    (found,) = by_object(fields, FieldSpec(name="x", required=True))
    assert (found.pointer, found.code) == ("/x", "required")


def test_an_update_may_leave_a_required_field_out_but_not_empty_it() -> None:
    spec = FieldSpec(name="x", required=True)
    assert by_object({}, spec, operation=Operation.UPDATE) == ()
    assert by_object({"x": None}, spec, operation=Operation.UPDATE)[0].code == "required"


def test_length_counts_characters_not_bytes() -> None:
    spec = FieldSpec(name="x", max_length=3)
    assert by_object({"x": "äöü"}, spec) == ()
    assert by_object({"x": "äöüß"}, spec)[0].code == "max_length"


def test_options_take_numbers_and_booleans_by_their_text() -> None:
    spec = FieldSpec(name="x", type="enumeration", options=("1", "true", "a"))
    assert [by_object({"x": value}, spec) for value in (1, 1.0, True, "a")] == [()] * 4
    assert by_object({"x": "b"}, spec)[0].message == "must be one of the destination's options: 1, true, a"


def test_a_long_list_of_options_is_cut_in_the_message() -> None:
    spec = FieldSpec(name="x", options=tuple(map(str, range(100))))
    assert by_object({"x": "b"}, spec)[0].message.endswith("7, 8, 9 and 90 more")


def test_a_nested_field_is_checked_by_its_dotted_name() -> None:
    (found,) = by_object({"a": {"b": "x"}}, FieldSpec(name="a.b", type="number"))
    assert (found.pointer, found.field) == ("/a/b", "a.b")


def test_nothing_is_said_twice_nor_about_fields_that_could_not_be_read() -> None:
    spec = ObjectSpec(name="o", operations={}, fields={"x": FieldSpec(name="x", required=True)})
    schema = {"required": ["x", "a", "y"], "properties": {"a": {"required": ["b"]}}}
    checker = Checker(a_sync(("x", "a.b", "y"), schema), spec)
    found = checker.violations({}, Operation.UPSERT, unread=["/a/b", "/y"])
    assert [(item.pointer, item.code) for item in found] == [("/x", "required")]


AT_MOST_0 = "must have at most 0 characters"
NOT_ALLOWED = "field that the schema does not allow"
NEEDED = "required by the schema"
WORDED: list[tuple[JsonObject, object, tuple[str, str, str]]] = [
    ({"x": 1}, {"type": ["string", "null"]}, ("/x", "type", "must be text or null")),
    ({"x": "abc"}, {"maxLength": 2}, ("/x", "max_length", "must have at most 2 characters")),
    ({"x": ""}, {"minLength": 2}, ("/x", "min_length", "must have at least 2 characters")),
    ({"x": "b"}, {"enum": ["a", None, 1]}, ("/x", "enum", 'must be one of "a", null, 1')),
    ({"x": "b"}, {"enum": list(range(12))}, ("/x", "enum", "must be one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more")),
    ({"x": "b"}, {"const": "a"}, ("/x", "const", 'must be "a"')),
    ({"x": "b"}, {"pattern": "^a"}, ("/x", "pattern", "must match the pattern ^a")),
    ({"x": 1}, {"minimum": 2}, ("/x", "minimum", "must be at least 2")),
    ({"x": 3}, {"maximum": 2}, ("/x", "maximum", "must be at most 2")),
    ({"x": 2}, {"exclusiveMinimum": 2}, ("/x", "exclusive_minimum", "must be more than 2")),
    ({"x": 2}, {"exclusiveMaximum": 2}, ("/x", "exclusive_maximum", "must be less than 2")),
    ({"x": Decimal("1.1001")}, {"multipleOf": 0.01}, ("/x", "multiple_of", "must be a multiple of 0.01")),
    ({"x": []}, {"minItems": 1}, ("/x", "min_items", "must have at least 1 items")),
    ({"x": [1, 2]}, {"maxItems": 1}, ("/x", "max_items", "must have at most 1 items")),
    ({"x": [1, 1]}, {"uniqueItems": True}, ("/x", "unique_items", "must not hold an item twice")),
    ({"x": [1]}, {"items": {"type": "string"}}, ("/x/0", "type", "must be text")),
    ({"x": [1]}, {"contains": {"const": 2}}, ("/x", "contains", "must hold an item that the schema asks for")),
    ({"x": {}}, {"minProperties": 1}, ("/x", "min_properties", "must have at least 1 fields")),
    ({"x": 1}, {"anyOf": [{"type": "string"}]}, ("/x", "any_of", "has none of the forms that the schema allows")),
    ({"x": 1}, {"oneOf": [{}, {}]}, ("/x", "one_of", "must have exactly one of the forms that the schema allows")),
    ({"x": 1}, {"not": {}}, ("/x", "not", "has a form that the schema forbids")),
    ({"x": 1}, False, ("/x", "not", "has a form that the schema forbids")),
    ({"x": {"k": 1}}, {"propertyNames": {"maxLength": 0}}, ("/x", "max_length", "a name in it " + AT_MOST_0)),
    ({"x": {"k": 1}}, {"additionalProperties": False}, ("/x", "additional_properties", f"a {NOT_ALLOWED}")),
    ({"x": {"k": 1}}, {"unevaluatedProperties": False}, ("/x", "unevaluated_properties", f"holds a {NOT_ALLOWED}")),
    (
        {"x": {"a": 1}},
        {"dependentRequired": {"a": ["b"]}},
        ("/x/b", "dependent_required", f"{NEEDED} where a is there"),
    ),
    ({"x": {"a": 1}}, {"required": ["b"]}, ("/x/b", "required", NEEDED)),
]


@pytest.mark.parametrize(
    ("fields", "schema", "told"), [pytest.param(*case, id=f"{n}-{case[2][1]}") for n, case in enumerate(WORDED)]
)
def test_a_broken_schema_rule_is_told_by_place_code_and_words(
    fields: JsonObject, schema: object, told: tuple[str, str, str]
) -> None:
    found = by_schema(fields, {"properties": {"x": schema}})
    assert [(pointer, code, message) for pointer, code, _, message in found] == [told]


def test_every_missing_and_every_unexpected_field_is_listed_once() -> None:
    schema = {
        "required": ["a", "b"],
        "properties": {"a": {}},
        "patternProperties": {"^p": {}},
        "additionalProperties": False,
    }
    assert [item[:2] for item in by_schema({"c": 1, "d": 2, "p1": 3}, schema)] == [
        ("/a", "required"),
        ("/b", "required"),
        ("/c", "additional_properties"),
        ("/d", "additional_properties"),
    ]


def test_a_name_out_of_a_json_column_is_not_shown_but_a_name_of_the_schema_is() -> None:
    zipped = {"properties": {"zip": {"type": "string"}}}
    of_anybody = {"properties": {"x": {"additionalProperties": zipped}}}
    assert by_schema({"x": {"alice@example.com": {"zip": 1}}}, of_anybody)[0][:3] == ("/x", "type", "x")
    assert by_schema({"x": {"zip": 1}}, {"properties": {"x": zipped}})[0][:3] == ("/x/zip", "type", "x.zip")


def test_a_schema_that_allows_nothing_is_told_of_the_whole_row() -> None:
    assert by_schema({"x": 1}, {"allOf": [False]}) == [("", "not_allowed", None, "not allowed by the schema")]


def test_a_rule_on_the_whole_row_has_the_empty_pointer_and_no_field() -> None:
    assert by_schema({"x": 1}, {"minProperties": 2}) == [("", "min_properties", None, "must have at least 2 fields")]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date", "2024-02-29", "2026-02-29"),
        ("date-time", "2026-01-02t03:04:05z", "2026-01-02 03:04"),
        ("time", "03:04:05Z", "24:00:00"),
        ("email", "a@b.c", "a@b@c"),
        ("uri", "https://example.com/?q=1", "example.com"),
        ("uuid", "6969ad0c-94b3-4914-b878-089d20130cef", "6969ad0c94b34914b878089d20130cef"),
        ("ipv4", "127.0.0.1", "127.1"),
        ("ipv6", "::1", ":::1"),
        ("made-up", "anything", None),
    ],
)
def test_formats_are_asserted(name: str, good: str, bad: str | None) -> None:
    schema = {"properties": {"x": {"format": name}}}
    assert by_schema({"x": good}, schema) == []
    assert by_schema({"x": 7}, schema) == []
    if bad is not None:
        assert by_schema({"x": bad}, schema) == [("/x", "format", "x", f"must have the format {name}")]


@pytest.mark.parametrize("value", [1.1, Decimal("1.10"), Decimal("12345678901234567890.12"), 3, 0.07, -0.07])
def test_a_multiple_is_counted_in_decimals_not_in_doubles(value: Json) -> None:
    assert by_schema({"x": value}, {"properties": {"x": {"multipleOf": 0.01}}}) == []


def test_a_reference_within_the_schema_is_followed() -> None:
    schema = {"$defs": {"t": {"type": "string"}}, "properties": {"x": {"$ref": "#/$defs/t"}}}
    assert by_schema({"x": 1}, schema)[0][:2] == ("/x", "type")


def test_a_reference_to_the_network_is_refused_and_nothing_is_fetched() -> None:
    asked: list[str] = []

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        reference = f"http://127.0.0.1:{server.server_port}/t.json"
        with pytest.raises(ConfigError, match=r"m.yml, s.schema: .*leads nowhere"):
            by_schema({"x": 1}, {"properties": {"x": {"$ref": reference}}})
        server.shutdown()
        thread.join()
    assert asked == []


def test_a_message_lists_twenty_violations_and_counts_the_rest() -> None:
    found = [Violation(f"/{n}", "type", str(n), "must be text") for n in range(25)]
    message = invalid("1", found).message or ""
    assert message.startswith("/0: must be text; /1: must be text")
    assert message.endswith("/19: must be text; and 5 more")


def test_jsonschema_is_not_loaded_for_a_sync_without_schema() -> None:
    code = "import sys, dbt_activate.mapping.mapper as _; sys.exit('jsonschema' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
