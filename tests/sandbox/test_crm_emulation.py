"""The CRM as a client meets it: over real sockets, failure paths first."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from dbt_activate.sandbox.options import SandboxOptions
from dbt_activate.sandbox.server import RunningSandbox

CONTACTS = "/crm/v3/objects/contacts"
ORDER_SCHEMA = {
    "name": "orders",
    "labels": {"singular": "Order", "plural": "Orders"},
    "requiredProperties": ["order_key"],
    "searchableProperties": ["order_key"],
    "primaryDisplayProperty": "order_key",
    "associatedObjects": ["CONTACT"],
    "properties": [
        {"name": "order_key", "label": "Key", "type": "string", "fieldType": "text", "hasUniqueValue": True},
        {"name": "total", "label": "Total", "type": "number", "fieldType": "number"},
    ],
}
PROPERTIES: dict[str, list[dict[str, object]]] = {
    "contacts": [
        {"name": "born", "label": "Born", "type": "date", "fieldType": "date", "groupName": "g"},
        {"name": "vip", "label": "VIP", "type": "bool", "fieldType": "booleancheckbox", "groupName": "g"},
        {"name": "score", "label": "Score", "type": "number", "fieldType": "number", "groupName": "g"},
        {
            "name": "topics",
            "label": "Topics",
            "type": "enumeration",
            "fieldType": "checkbox",
            "groupName": "g",
            "options": [{"label": name, "value": name, "hidden": False} for name in ("art", "music", "sport")],
        },
        {
            "name": "customer_key",
            "label": "Key",
            "type": "string",
            "fieldType": "text",
            "groupName": "g",
            "hasUniqueValue": True,
        },
    ]
}


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSandbox]:
    with RunningSandbox(SandboxOptions(rate_limit=0, schemas=[ORDER_SCHEMA], properties=PROPERTIES)) as sandbox:
        yield sandbox


@pytest.fixture
def crm(running: RunningSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, headers={"Authorization": "Bearer any"}) as client:
        client.post("/_sandbox/reset")
        yield client


def post(client: httpx.Client, path: str, *inputs: dict[str, Any], **more: Any) -> httpx.Response:
    return client.post(path, json={"inputs": list(inputs), **more})


def contact(client: httpx.Client, **properties: str) -> str:
    answer = client.post(CONTACTS, json={"properties": properties})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def read(client: httpx.Client, record: str, *names: str) -> dict[str, str | None]:
    answer = client.get(f"{CONTACTS}/{record}", params={"properties": ",".join(names)})
    return {name: answer.json()["properties"].get(name) for name in names}


def codes(answer: httpx.Response) -> list[str]:
    return [error["code"] for error in answer.json()["errors"]]


@pytest.mark.parametrize("credentials", [{}, {"Authorization": "Bearer"}, {"Authorization": "Basic abc"}])
def test_a_request_without_a_bearer_token_is_refused(crm: httpx.Client, credentials: dict[str, str]) -> None:
    del crm.headers["authorization"]
    answer = crm.get("/crm/v3/properties/contacts", headers=credentials)
    assert (answer.status_code, answer.json()["category"]) == (401, "INVALID_AUTHENTICATION")


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"nope": "1"}, "PROPERTY_DOESNT_EXIST"),
        ({"email": "no mail"}, "INVALID_EMAIL"),
        ({"lifecyclestage": "moon"}, "INVALID_OPTION"),
        ({"topics": "art;moon"}, "INVALID_OPTION"),
        ({"score": "1.4e-14"}, "INVALID_INTEGER"),
        ({"score": " 1"}, "INVALID_INTEGER"),
        ({"born": "yesterday"}, "INVALID_DATE"),
        ({"born": "1571256405000"}, "INVALID_DATE"),
        ({"closedate": "soon"}, "INVALID_DATE"),
        ({"vip": "yes"}, "INVALID_BOOLEAN"),
        ({"hs_object_id": "7"}, "READ_ONLY_VALUE"),
        ({"company": "x" * 65_537}, "INVALID_LENGTH"),
    ],
)
def test_one_bad_value_fails_the_whole_update(crm: httpx.Client, properties: dict[str, str], code: str) -> None:
    good, bad = contact(crm, email="good@example.com"), contact(crm, email="bad@example.com")
    answer = post(
        crm,
        f"{CONTACTS}/batch/update",
        {"id": good, "properties": {"city": "Lyon"}, "objectWriteTraceId": "a"},
        {"id": bad, "properties": properties, "objectWriteTraceId": "b"},
    )
    assert (answer.status_code, answer.json()["category"], codes(answer)) == (400, "VALIDATION_ERROR", [code])
    assert read(crm, good, "city") == {"city": None}


def test_one_bad_value_fails_the_whole_upsert(crm: httpx.Client) -> None:
    answer = post(
        crm,
        "/crm/v3/objects/orders/batch/upsert",
        {"id": "1", "idProperty": "order_key", "properties": {"total": "5"}},
        {"id": "2", "idProperty": "order_key", "properties": {"total": "five"}},
    )
    assert (answer.status_code, codes(answer)) == (400, ["INVALID_INTEGER"])
    assert crm.get("/crm/v3/objects/orders").json()["results"] == []


@pytest.mark.parametrize("value", [5, None, True, 1.5, ["a"]])
def test_a_value_that_is_no_string_is_refused(crm: httpx.Client, value: object) -> None:
    answer = post(crm, f"{CONTACTS}/batch/create", {"properties": {"score": value}})
    assert (answer.status_code, answer.json()["category"]) == (400, "VALIDATION_ERROR")
    assert "Expected `str`" in answer.json()["message"]


@pytest.mark.parametrize("body", [b"", b"{", b'{"inputs": {}}', b"\xff", b'{"inputs": [{"id": "1"}]}'])
def test_a_body_that_makes_no_sense_is_a_400(crm: httpx.Client, body: bytes) -> None:
    answer = crm.post(f"{CONTACTS}/batch/update", content=body)
    assert (answer.status_code, answer.json()["category"]) == (400, "VALIDATION_ERROR")


def test_a_misspelt_key_is_refused(crm: httpx.Client) -> None:
    answer = post(crm, f"{CONTACTS}/batch/upsert", {"id": "a@example.com", "idproperty": "email", "properties": {}})
    assert (answer.status_code, "idproperty" in answer.json()["message"]) == (400, True)


@pytest.mark.parametrize("verb", ["create", "update", "upsert", "archive", "read"])
def test_more_than_a_hundred_inputs_are_refused(crm: httpx.Client, verb: str) -> None:
    rows: list[dict[str, Any]] = [{"id": str(n), "properties": {}} for n in range(101)]
    keys = {"create": ["properties"], "archive": ["id"], "read": ["id"]}.get(verb, ["id", "properties"])
    answer = post(crm, f"{CONTACTS}/batch/{verb}", *[{key: row[key] for key in keys} for row in rows])
    assert (answer.status_code, "maximum" in answer.json()["message"]) == (400, True)


@pytest.mark.parametrize(
    "twice",
    [
        ({"id": "a@example.com", "idProperty": "email"}, {"id": "A@example.com", "idProperty": "email"}),
        ({"id": "1001"}, {"id": "1001"}),
        ({"id": "1001"}, {"id": "a@example.com", "idProperty": "email"}),
    ],
)
def test_a_record_named_twice_in_a_batch_is_refused(crm: httpx.Client, twice: tuple[dict[str, str], ...]) -> None:
    assert contact(crm, email="a@example.com") == "1001"
    answer = post(crm, f"{CONTACTS}/batch/update", *[{**each, "properties": {"city": "Lyon"}} for each in twice])
    assert (answer.status_code, "Duplicate IDs" in answer.json()["message"]) == (400, True)
    assert read(crm, "1001", "city") == {"city": None}


def test_an_upsert_that_names_a_new_record_twice_is_refused(crm: httpx.Client) -> None:
    rows = [{"id": each, "idProperty": "email", "properties": {}} for each in ("a@example.com", "A@example.com")]
    assert post(crm, f"{CONTACTS}/batch/upsert", *rows).status_code == 400
    assert crm.get(CONTACTS).json()["results"] == []


@pytest.mark.parametrize("name", ["firstname", "hs_object_id", "nope"])
def test_an_id_property_that_is_not_unique_is_refused(crm: httpx.Client, name: str) -> None:
    answer = post(crm, f"{CONTACTS}/batch/upsert", {"id": "x", "idProperty": name, "properties": {}})
    assert (answer.status_code, "non-unique 0-1 property" in answer.json()["message"]) == (400, True)


def test_an_upsert_without_an_id_property_is_refused(crm: httpx.Client) -> None:
    assert post(crm, f"{CONTACTS}/batch/upsert", {"id": "x", "properties": {}}).status_code == 400


def test_a_contact_whose_email_exists_in_other_letter_case_is_a_conflict(crm: httpx.Client) -> None:
    known = contact(crm, email="Ann@Example.com")
    answer = crm.post(CONTACTS, json={"properties": {"email": "aNN@example.COM"}})
    assert (answer.status_code, answer.json()["category"]) == (409, "CONFLICT")
    assert answer.json()["message"] == f"Contact already exists. Existing ID: {known}"


def test_a_batch_create_without_trace_ids_is_all_or_nothing(crm: httpx.Client) -> None:
    contact(crm, email="old@example.com")
    answer = post(
        crm,
        f"{CONTACTS}/batch/create",
        {"properties": {"email": "new@example.com"}},
        {"properties": {"email": "old@example.com"}},
    )
    assert (answer.status_code, len(crm.get(CONTACTS).json()["results"])) == (409, 1)


def test_a_batch_create_with_trace_ids_answers_row_by_row(crm: httpx.Client) -> None:
    known = contact(crm, email="old@example.com")
    answer = post(
        crm,
        f"{CONTACTS}/batch/create",
        {"properties": {"email": "old@example.com"}, "objectWriteTraceId": "clash"},
        {"properties": {"email": "broken"}, "objectWriteTraceId": "bad"},
        {"properties": {"email": "new@example.com"}, "objectWriteTraceId": "good"},
        {"properties": {"email": "new@example.com"}, "objectWriteTraceId": "twice"},
    )
    body = answer.json()
    assert (answer.status_code, body["numErrors"]) == (207, 3)
    assert [row["objectWriteTraceId"] for row in body["results"]] == ["good"]
    by_trace = {error["context"]["objectWriteTraceId"][0]: error for error in body["errors"]}
    assert by_trace["clash"]["message"] == f"Contact already exists. Existing ID: {known}"
    assert by_trace["bad"]["errors"][0]["code"] == "INVALID_EMAIL"
    assert by_trace["twice"]["category"] == "CONFLICT"


def test_an_update_says_which_records_are_missing_and_writes_the_others(crm: httpx.Client) -> None:
    known = contact(crm, email="ann@example.com")
    answer = post(
        crm,
        f"{CONTACTS}/batch/update",
        {"id": "999", "properties": {"city": "Lyon"}, "objectWriteTraceId": "gone"},
        {"id": known, "properties": {"city": "Lyon"}, "objectWriteTraceId": "there"},
    )
    body = answer.json()
    assert (answer.status_code, [row["objectWriteTraceId"] for row in body["results"]]) == (207, ["there"])
    assert body["errors"][0]["context"] == {"ids": ["999"], "objectWriteTraceId": ["gone"]}
    assert read(crm, known, "city") == {"city": "Lyon"}


def test_a_unique_value_that_another_record_holds_is_refused(crm: httpx.Client) -> None:
    contact(crm, email="a@example.com", customer_key="k1")
    other = contact(crm, email="b@example.com", customer_key="k2")
    answer = post(crm, f"{CONTACTS}/batch/update", {"id": other, "properties": {"customer_key": "k1"}})
    assert (answer.status_code, codes(answer)) == (400, ["CONFLICTING_UNIQUE_VALUE"])


def test_two_rows_of_a_batch_cannot_take_one_unique_value(crm: httpx.Client) -> None:
    ids = [contact(crm, email=f"{name}@example.com") for name in "ab"]
    rows = [{"id": each, "properties": {"customer_key": "k"}} for each in ids]
    assert post(crm, f"{CONTACTS}/batch/update", *rows).status_code == 400


def test_a_new_record_of_a_custom_object_needs_its_required_properties(crm: httpx.Client) -> None:
    answer = crm.post("/crm/v3/objects/orders", json={"properties": {"total": "5"}})
    assert (answer.status_code, "order_key" in answer.json()["message"]) == (400, True)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/crm/v3/objects/planets", 400),
        ("GET", "/crm/v3/nothing", 404),
        ("GET", f"{CONTACTS}/999", 404),
        ("PATCH", f"{CONTACTS}/999", 404),
        ("DELETE", f"{CONTACTS}/999", 204),
        ("GET", f"{CONTACTS}?limit=0", 400),
        ("GET", f"{CONTACTS}?limit=1000", 400),
        ("GET", f"{CONTACTS}?after=x", 400),
        ("GET", f"{CONTACTS}/x?idProperty=firstname", 400),
        ("GET", "/crm/v3/properties/contacts/nope", 404),
    ],
)
def test_what_is_not_there_or_not_allowed_is_said_with_its_status(
    crm: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = crm.request(method, path, json={"properties": {}} if method == "PATCH" else None)
    assert answer.status_code == status
    assert status == 204 or set(answer.json()) >= {"status", "message", "correlationId", "category"}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": "score"}, 409),
        ({"name": "Bad Name"}, 400),
        ({"name": "choice", "type": "enumeration"}, 400),
        ({"name": "thing", "type": "object"}, 400),
    ],
)
def test_a_property_that_cannot_be_defined_is_refused(crm: httpx.Client, change: dict[str, str], status: int) -> None:
    good = {"name": "fine", "label": "F", "type": "string", "fieldType": "text", "groupName": "g"}
    assert crm.post("/crm/v3/properties/contacts", json=good | change).status_code == status
    assert crm.post("/crm/v3/properties/contacts", json=good).status_code == 201


def test_an_object_takes_ten_unique_properties_and_no_more(crm: httpx.Client) -> None:
    made = [
        crm.post(
            "/crm/v3/properties/companies",
            json={
                "name": f"key{number}",
                "label": "K",
                "type": "string",
                "fieldType": "text",
                "groupName": "g",
                "hasUniqueValue": True,
            },
        ).status_code
        for number in range(11)
    ]
    assert made == [201] * 10 + [400]


def test_an_object_is_defined_once(crm: httpx.Client) -> None:
    assert crm.post("/crm/v3/schemas", json=ORDER_SCHEMA).status_code == 409
    unknown = ORDER_SCHEMA | {"name": "parcels", "requiredProperties": ["weight"]}
    assert crm.post("/crm-object-schemas/v3/schemas", json=unknown).status_code == 400


def test_an_archived_contact_is_gone_from_reads_and_its_email_is_free(crm: httpx.Client) -> None:
    old = contact(crm, email="ann@example.com")
    assert post(crm, f"{CONTACTS}/batch/archive", {"id": old}, {"id": "999"}).status_code == 204
    assert crm.get(f"{CONTACTS}/{old}").status_code == 404
    assert post(crm, f"{CONTACTS}/batch/read", {"id": old}, properties=[]).json()["results"] == []
    assert crm.get(f"{CONTACTS}/{old}?archived=true").json()["archived"] is True
    assert contact(crm, email="ann@example.com") != old


def test_an_erased_contact_is_gone_for_good(crm: httpx.Client) -> None:
    old = contact(crm, email="ann@example.com")
    answer = crm.post(f"{CONTACTS}/gdpr-delete", json={"objectId": "ann@example.com", "idProperty": "email"})
    assert (answer.status_code, crm.get(f"{CONTACTS}/{old}?archived=true").status_code) == (204, 404)


def test_an_empty_string_clears_a_property(crm: httpx.Client) -> None:
    known = contact(crm, email="ann@example.com", city="Lyon")
    answer = post(crm, f"{CONTACTS}/batch/update", {"id": known, "properties": {"city": ""}})
    assert "city" not in answer.json()["results"][0]["properties"]
    assert read(crm, known, "city") == {"city": None}


def test_a_cleared_email_can_be_used_again(crm: httpx.Client) -> None:
    known = contact(crm, email="ann@example.com")
    assert crm.patch(f"{CONTACTS}/{known}", json={"properties": {"email": ""}}).status_code == 200
    assert contact(crm, email="ann@example.com") != known


@pytest.mark.parametrize(
    ("name", "sent", "kept"),
    [
        ("email", " Ann@Example.com ", "ann@example.com"),
        ("born", "1577836800000", "2020-01-01"),
        ("born", "2020-01-01", "2020-01-01"),
        ("closedate", "1577836800000", "2020-01-01T00:00:00Z"),
        ("closedate", "2020-01-01T02:00:00.5+02:00", "2020-01-01T00:00:00.500Z"),
        ("vip", "true", "true"),
        ("score", "-0.5", "-0.5"),
        ("topics", "music;art", "music;art"),
        ("firstname", "Zoë \u0000 <b>'\"", "Zoë \u0000 <b>'\""),
    ],
)
def test_a_value_is_read_back_in_the_spelling_of_the_crm(crm: httpx.Client, name: str, sent: str, kept: str) -> None:
    assert read(crm, contact(crm, **{name: sent}), name) == {name: kept}


def test_a_leading_semicolon_adds_to_the_choices(crm: httpx.Client) -> None:
    known = contact(crm, topics="art;music")
    crm.patch(f"{CONTACTS}/{known}", json={"properties": {"topics": ";sport;art"}})
    assert read(crm, known, "topics") == {"topics": "art;music;sport"}


def test_an_upsert_says_which_rows_are_new_and_echoes_trace_ids(crm: httpx.Client) -> None:
    rows = [{"id": key, "idProperty": "order_key", "properties": {}, "objectWriteTraceId": f"t{key}"} for key in "ab"]
    path = "/crm/objects/2026-09/orders/batch/upsert"
    assert post(crm, path, rows[0]).json()["results"][0]["new"] is True
    answer = post(crm, path, rows[1], rows[0])
    assert answer.status_code == 200
    assert {row["objectWriteTraceId"]: row["new"] for row in answer.json()["results"]} == {"ta": False, "tb": True}


def test_a_partial_upsert_by_email_is_taken_and_remarked_on(crm: httpx.Client) -> None:
    known = contact(crm, email="ann@example.com", city="Lyon")
    row = {"id": "ann@example.com", "idProperty": "email", "properties": {"firstname": "Ann"}}
    assert post(crm, f"{CONTACTS}/batch/upsert", row).status_code == 200
    assert read(crm, known, "city", "firstname") == {"city": "Lyon", "firstname": "Ann"}
    assert "not supported" in crm.get("/_sandbox/requests?limit=2").json()["requests"][1]["note"]


def test_a_read_by_email_answers_in_an_order_of_its_own_and_lists_the_missing(crm: httpx.Client) -> None:
    first, second = contact(crm, email="a@example.com", city="Lyon"), contact(crm, email="b@example.com")
    inputs = [{"id": "B@example.com"}, {"id": "nobody@example.com"}, {"id": "a@example.com"}]
    answer = post(crm, f"{CONTACTS}/batch/read", *inputs, idProperty="email", properties=["city"])
    body = answer.json()
    assert (answer.status_code, [row["id"] for row in body["results"]]) == (207, [first, second])
    assert [row["properties"]["city"] for row in body["results"]] == ["Lyon", None]
    assert body["errors"][0]["context"] == {"ids": ["nobody@example.com"]}


def test_an_answer_has_the_systems_own_properties(crm: httpx.Client) -> None:
    row = crm.post(CONTACTS, json={"properties": {"city": "Lyon"}}).json()
    assert set(row["properties"]) == {"city", "hs_object_id", "createdate", "lastmodifieddate"}
    assert row["properties"]["hs_object_id"] == row["id"]
    assert (row["createdAt"], row["archived"]) == (row["properties"]["createdate"], False)


def test_a_list_is_read_page_by_page_to_its_end(crm: httpx.Client) -> None:
    made = [contact(crm, email=f"c{number}@example.com") for number in range(5)]
    seen, after = [], "0"
    while after:
        page = crm.get(CONTACTS, params={"limit": 2, "after": after, "properties": ["email", "city"]}).json()
        seen += [row["id"] for row in page["results"]]
        after = page.get("paging", {}).get("next", {}).get("after", "")
    assert seen == made


def test_the_property_list_says_what_a_client_needs_to_know(crm: httpx.Client) -> None:
    known = {each["name"]: each for each in crm.get("/crm/v3/properties/contacts").json()["results"]}
    assert known["email"]["hasUniqueValue"] is True
    assert known["createdate"]["modificationMetadata"]["readOnlyValue"] is True
    assert known["total_revenue"]["calculated"] is True
    assert "customer" in {option["value"] for option in known["lifecyclestage"]["options"]}
    assert known["hubspot_owner_id"]["externalOptions"] is True


@pytest.mark.parametrize("name", ["orders", "2-1", "p4711000_orders", "ORDERS"])
def test_a_custom_object_has_more_than_one_name(crm: httpx.Client, name: str) -> None:
    assert crm.get(f"/crm/properties/2026-09/{name}/order_key").json()["hasUniqueValue"] is True


def test_the_account_tells_its_id(crm: httpx.Client) -> None:
    for version in ("v3", "2026-09"):
        assert crm.get(f"/account-info/{version}/details").json()["portalId"] == 4_711_000
