"""What a webhook receiver takes, keeps and answers."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from dbt_activate.sandbox.server import RunningSandbox


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSandbox]:
    with RunningSandbox() as sandbox:
        yield sandbox


@pytest.fixture
def client(running: RunningSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url) as client:
        client.post("/_sandbox/reset")
        client.put("/_sandbox/hooks/ops", json={})
        yield client


def kept(client: httpx.Client, name: str = "ops") -> dict[str, Any]:
    state = client.get("/_sandbox/state", params={"object": f"hooks/{name}"}).json()
    return {row["id"]: row["properties"] for row in state["records"].get(f"hooks/{name}", [])}


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"text"', b"\xff", b"[{}, null]"])
def test_a_body_without_objects_is_refused_and_nothing_is_kept(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/hooks/ops", content=body)
    assert (answer.status_code, kept(client)) == (400, {})


def test_a_receiver_is_not_read_with_get(client: httpx.Client) -> None:
    assert client.get("/hooks/ops").status_code == 405


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'[{"id": 1, "a": "x"}, {"id": 2, "a": "y"}]', "application/json"),
        (b'{"records": [{"id": 1, "a": "x"}, {"id": 2, "a": "y"}]}', "application/json; charset=utf-8"),
        (b'{"id": 1, "a": "x"}\n\n{"id": 2, "a": "y"}\n', "application/x-ndjson"),
    ],
)
def test_a_list_is_taken_in_every_usual_shape(client: httpx.Client, content: bytes, kind: str) -> None:
    answer = client.post("/hooks/ops", content=content, headers={"Content-Type": kind})
    assert answer.json() == {
        "received": 2,
        "results": [{"index": 0, "key": "1", "status": "ok"}, {"index": 1, "key": "2", "status": "ok"}],
    }
    assert kept(client) == {"1": {"id": 1, "a": "x"}, "2": {"id": 2, "a": "y"}}


def test_a_form_is_one_item(client: httpx.Client) -> None:
    client.post("/hooks/ops", data={"email": "a@example.com", "city": ""})
    assert kept(client) == {"a@example.com": {"email": "a@example.com", "city": ""}}


def test_an_item_without_a_key_is_appended(client: httpx.Client) -> None:
    client.post("/hooks/ops", json=[{"a": 1}, {"a": 1}])
    assert kept(client) == {"#1": {"a": 1}, "#2": {"a": 1}}


@pytest.mark.parametrize(
    ("query", "settings", "key"),
    [
        ("", {}, "7"),
        ("?key=email", {}, "a@example.com"),
        ("", {"key": "email"}, "a@example.com"),
        ("", {"key": "customer_id, email"}, "7|a@example.com"),
    ],
)
def test_the_key_is_named_by_the_query_the_settings_or_habit(
    client: httpx.Client, query: str, settings: dict[str, str], key: str
) -> None:
    client.put("/_sandbox/hooks/ops", json=settings)
    client.post(f"/hooks/ops{query}", json={"customer_id": 7, "email": "a@example.com"})
    assert list(kept(client)) == [key]


@pytest.mark.parametrize("key", [5, {"id": 5}, ["5"]])
def test_an_envelope_names_its_record_and_its_operation(client: httpx.Client, key: object) -> None:
    envelope = {"key": key, "fields": {"plan": "pro"}, "sync": "s", "run_id": "r"}
    client.post("/hooks/ops", json=[{"operation": "upsert", **envelope}])
    assert kept(client) == {"5": {"plan": "pro"}}
    client.post("/hooks/ops", json=[{"operation": "delete", **envelope}])
    assert kept(client) == {}


def test_put_replaces_where_post_and_patch_add(client: httpx.Client) -> None:
    client.post("/hooks/ops", json={"id": 1, "a": 1})
    client.patch("/hooks/ops", json={"id": 1, "b": 2})
    assert kept(client) == {"1": {"id": 1, "a": 1, "b": 2}}
    client.put("/hooks/ops", json={"id": 1, "c": 3})
    assert kept(client) == {"1": {"id": 1, "c": 3}}


def test_delete_removes_by_body_and_by_path(client: httpx.Client) -> None:
    client.post("/hooks/ops", json=[{"id": "a/b"}, {"id": "2"}, {"id": "3"}])
    assert client.request("DELETE", "/hooks/ops", json=[{"id": 2}]).status_code == 200
    assert client.request("DELETE", "/hooks/ops/customers/a%2Fb").json()["results"][0]["key"] == "a/b"
    assert list(kept(client)) == ["3"]


def test_a_path_names_the_record_of_a_body_that_does_not(client: httpx.Client) -> None:
    client.put("/hooks/ops/v1/customers/42", json={"plan": "pro"})
    assert kept(client) == {"42": {"plan": "pro"}}


def test_a_repeated_idempotency_key_is_answered_and_not_applied(client: httpx.Client) -> None:
    def send(body: object) -> httpx.Response:
        return client.post("/hooks/ops", json=body, headers={"Idempotency-Key": "k1"})

    first, again = send([{"a": 1}]), send([{"a": 1}])
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert kept(client) == {"#1": {"a": 1}}
    assert send([{"a": 2}]).status_code == 422


def test_a_failure_after_the_fact_is_answered_from_memory_the_next_time(client: httpx.Client) -> None:
    client.post("/_sandbox/faults", json={"kind": "reset_after", "path": "/hooks/ops", "count": 1})
    with pytest.raises(httpx.TransportError):
        client.post("/hooks/ops", json={"a": 1}, headers={"Idempotency-Key": "k1"})
    assert client.post("/hooks/ops", json={"a": 1}, headers={"Idempotency-Key": "k1"}).status_code == 200
    assert kept(client) == {"#1": {"a": 1}}


@pytest.mark.parametrize(("value", "status"), [(None, 401), ("00", 401), ("right", 200), ("sha256=right", 200)])
def test_a_receiver_with_a_secret_wants_the_signature_of_the_body(
    client: httpx.Client, value: str | None, status: int
) -> None:
    client.put("/_sandbox/hooks/ops", json={"secret": "s3", "header": "X-Sign"})
    body = json.dumps({"id": 1}).encode()
    right = hmac.new(b"s3", body, hashlib.sha256).hexdigest()
    headers = {} if value is None else {"X-Sign": value.replace("right", right)}
    answer = client.post("/hooks/ops", content=body, headers=headers)
    assert (answer.status_code, len(kept(client))) == (status, int(status == 200))


@pytest.mark.parametrize(("ids", "status"), [([1, 2], 207), ([2], 422), ([1], 200)])
def test_a_refused_item_is_named_and_the_others_are_kept(client: httpx.Client, ids: list[int], status: int) -> None:
    client.post("/_sandbox/faults", json={"kind": "reject", "reject": {"property": "id", "value": "2"}})
    answer = client.post("/hooks/ops", json=[{"id": each} for each in ids])
    assert answer.status_code == status
    assert [row["status"] for row in answer.json()["results"]] == ["error" if each == 2 else "ok" for each in ids]
    assert list(kept(client)) == [str(each) for each in ids if each != 2]


def test_the_raw_request_is_kept_without_its_credentials(client: httpx.Client) -> None:
    client.post("/hooks/ops", content=b'{"id":  1}', headers={"Authorization": "Bearer hush", "X-Trace": "t"})
    raw = client.get("/_sandbox/requests/1").json()
    assert (raw["body"], raw["headers"]["x-trace"], raw["headers"]["authorization"]) == ('{"id":  1}', "t", "***")
    assert client.get("/_sandbox/requests/9").status_code == 404
