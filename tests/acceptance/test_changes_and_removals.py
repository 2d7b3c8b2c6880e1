"""What must be shown, 3: what changed is found, what is gone is treated as told, what comes back is sent again."""

from collections.abc import Callable, Mapping

import duckdb
import pytest

from tests.acceptance.shops import PEOPLE, Shop, outcomes

Rows = Mapping[int, tuple[object, ...]]


def _contact(row: tuple[str, str, int]) -> tuple[str, str, str]:
    return row[0], row[1], str(row[2])


def _contacts(shop: Shop) -> set[tuple[str, str, str]]:
    return {(one["email"], one["firstname"], one["jobtitle"]) for one in shop.sandbox.contacts().values()}


ALL = {_contact(row) for row in PEOPLE.values()}


@pytest.mark.slow
def test_a_value_that_changed_while_updated_at_did_not_is_found_and_sent_alone(each_shop: Shop) -> None:
    """3: no cursor column is trusted."""
    shop = each_shop
    assert outcomes(shop.sync("crm_people"), "succeeded") == [5]
    before = shop.query("SELECT updated_at FROM people WHERE id = 2")

    shop.execute("UPDATE people SET points = ? WHERE id = 2", 21)

    assert shop.query("SELECT updated_at FROM people WHERE id = 2") == before
    written = shop.sandbox.rows_written
    entry = shop.sync("crm_people")
    assert (entry["exit"], entry["outcomes"]) == (0, {"succeeded": 1})
    assert shop.sandbox.rows_written == written + 1
    assert _contacts(shop) == ALL - {("bob@example.com", "Bob", "20")} | {("bob@example.com", "Bob", "21")}


@pytest.mark.slow
def test_an_updated_at_that_moved_while_no_value_did_sends_nothing(each_shop: Shop) -> None:
    """3, the other way round."""
    each_shop.sync("crm_people")
    each_shop.execute("UPDATE people SET updated_at = updated_at + INTERVAL '1' DAY")
    requests = each_shop.sandbox.requests

    entry = each_shop.sync("crm_people")

    assert (entry["exit"], entry["requests"]) == (0, 0)
    assert each_shop.sandbox.requests == requests


@pytest.mark.slow
def test_a_removed_row_is_archived_at_hubspot_and_a_row_that_comes_back_is_made_anew(each_shop: Shop) -> None:
    """3, `on_removed: archive`."""
    shop = each_shop
    shop.sync("crm_archived")
    shop.execute("DELETE FROM people WHERE id = 3")

    assert outcomes(shop.sync("crm_archived"), "succeeded") == [1]
    assert set(shop.sandbox.contacts()) == {row[0] for key, row in PEOPLE.items() if key != 3}
    requests = shop.sandbox.requests
    shop.sync("crm_archived")
    assert shop.sandbox.requests == requests, "what is archived is not archived again"

    shop.execute("INSERT INTO people SELECT 3, 'cy@example.com', 'Cy', 30, updated_at FROM people WHERE id = 1")
    assert shop.sync("crm_archived")["counts"] == {"added": {"succeeded": 1}}
    assert _contacts(shop) == ALL


@pytest.mark.slow
def test_a_removed_row_is_cleared_at_hubspot_but_for_its_identifier_and_filled_when_it_comes_back(shop: Shop) -> None:
    """3, `on_removed: clear`."""
    shop.sync("crm_cleared")
    ids = {one["email"]: key for key, one in shop.sandbox.records().items()}
    shop.execute("DELETE FROM people WHERE id = 3")

    assert outcomes(shop.sync("crm_cleared"), "succeeded") == [1]
    cleared = shop.sandbox.records()[ids["cy@example.com"]]
    assert cleared["email"] == "cy@example.com"
    assert not cleared.get("firstname")
    assert not cleared.get("jobtitle")

    shop.execute("INSERT INTO people SELECT 3, 'cy@example.com', 'Cy', 30, updated_at FROM people WHERE id = 1")
    assert outcomes(shop.sync("crm_cleared"), "succeeded") == [1]
    assert _contacts(shop) == ALL
    assert {one["email"]: key for key, one in shop.sandbox.records().items()} == ids


@pytest.mark.slow
def test_a_removed_row_is_ignored_where_nothing_else_is_said(shop: Shop) -> None:
    """3, `on_removed: ignore`."""
    shop.sync("hook_ignored")
    shop.execute("DELETE FROM people WHERE id = 3")
    requests = shop.sandbox.requests

    entry = shop.sync("hook_ignored")

    assert (entry["exit"], entry["requests"], entry["census"]["ignored"]) == (0, 0, {"removed": 1})
    assert shop.sandbox.requests == requests
    assert set(shop.sandbox.records("hooks/kept")) == set(map(str, PEOPLE))


@pytest.mark.slow
def test_a_removed_row_is_deleted_over_http(shop: Shop) -> None:
    """3, `mode: mirror` with a DELETE request."""
    shop.sync("hook_deleted")
    shop.execute("DELETE FROM people WHERE id = 3")

    assert outcomes(shop.sync("hook_deleted"), "succeeded") == [1]

    assert set(shop.sandbox.records("hooks/mirrored")) == {"1", "2", "4", "5"}
    assert shop.sandbox.get("/_sandbox/requests")["requests"][0]["method"] == "DELETE"
    shop.execute("INSERT INTO people SELECT 3, 'cy@example.com', 'Cy', 30, updated_at FROM people WHERE id = 1")
    assert outcomes(shop.sync("hook_deleted"), "succeeded") == [1]
    assert set(shop.sandbox.records("hooks/mirrored")) == set(map(str, PEOPLE))


def _in_sqlite(shop: Shop) -> Rows:
    return {row[0]: row[1:] for row in shop.lite("SELECT id, email, name, points FROM people")}


def _in_duckdb(shop: Shop) -> Rows:
    with duckdb.connect(str(shop.directory / "duck.duckdb"), read_only=True) as connection:
        return {row[0]: row[1:] for row in connection.execute("SELECT id, email, name, points FROM people").fetchall()}


@pytest.mark.slow
@pytest.mark.parametrize(("sync", "read"), [("in_sqlite", _in_sqlite), ("in_duckdb", _in_duckdb)])
def test_a_table_in_a_file_is_kept_in_step(shop: Shop, sync: str, read: Callable[[Shop], Rows]) -> None:
    """3, for databases in files."""
    _keep_in_step(shop, sync, lambda: read(shop))


@pytest.mark.slow
def test_a_table_in_postgres_is_kept_in_step(
    each_shop: Shop, postgres_schema: Callable[[str], Mapping[int, tuple[object, ...]]]
) -> None:
    """3, for a database on a server."""
    _keep_in_step(each_shop, "in_postgres", lambda: postgres_schema("people"))


def _keep_in_step(shop: Shop, sync: str, read: Callable[[], Rows]) -> None:
    assert outcomes(shop.sync(sync), "succeeded") == [5]
    assert read() == PEOPLE
    shop.execute("UPDATE people SET name = 'D''Éé \"x\"; --' WHERE id = 4")
    shop.execute("DELETE FROM people WHERE id IN (1, 5)")
    assert shop.sync(sync)["counts"] == {"changed": {"succeeded": 1}, "removed": {"succeeded": 2}}
    kept = {2: PEOPLE[2], 3: PEOPLE[3], 4: ("dee@example.com", 'D\'Éé "x"; --', 40)}
    assert read() == kept
    shop.execute("INSERT INTO people SELECT 5, 'eve@example.com', 'Eve', 50, updated_at FROM people WHERE id = 2")
    assert shop.sync(sync)["counts"] == {"added": {"succeeded": 1}}
    assert read() == {**kept, 5: PEOPLE[5]}
    assert shop.sync(sync)["requests"] == 0


@pytest.mark.slow
def test_an_emptied_model_deletes_nothing_unless_a_person_names_the_plan(shop: Shop) -> None:
    """3: an empty table is more often an accident than a wish."""
    shop.sync("in_sqlite")
    shop.execute("DELETE FROM people")

    entry = shop.sync("in_sqlite")
    assert (entry["exit"], entry["status"]) == (1, "blocked")
    assert _in_sqlite(shop) == PEOPLE

    entry = shop.sync("in_sqlite", "--override-guards", entry["plan_hash"])
    assert (entry["exit"], entry["counts"]) == (0, {"removed": {"succeeded": 5}})
    assert _in_sqlite(shop) == {}


@pytest.mark.slow
def test_a_key_that_became_null_or_double_is_held_back_and_not_taken_for_a_removal(each_shop: Shop) -> None:
    """3: a row whose key is broken is reported; its record stays."""
    shop = each_shop
    shop.sync("hook_deleted")
    shop.execute("UPDATE people SET id = NULL WHERE id = 2")
    shop.execute("INSERT INTO people SELECT * FROM people WHERE id = 4")

    entry = shop.sync("hook_deleted")

    assert entry["exit"] == 1
    assert {reject["code"] for reject in shop.rejects("hook_deleted")} == {"null_key", "duplicate_key"}
    assert set(shop.sandbox.records("hooks/mirrored")) == set(map(str, PEOPLE))
