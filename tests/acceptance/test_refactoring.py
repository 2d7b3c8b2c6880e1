"""What must be shown, 4: what changes the warehouse's spelling of a row, and not the row, sends nothing."""

import pytest

from tests.acceptance.shops import Shop, run_dbt


@pytest.mark.slow
def test_a_renamed_column_and_a_wider_integer_send_nothing(shop: Shop) -> None:
    """4: an analyst renames a column, makes integers bigint, adds a column, and dbt builds the model anew."""
    assert shop.sync("crm_people")["outcomes"] == {"succeeded": 5}
    assert shop.sync("hook_deleted")["outcomes"] == {"succeeded": 5}
    for old, new in (
        ("cast(id as integer) as id", "cast(id as bigint) as id, 'new' as shelf"),
        ("cast(name as varchar(200)) as name", "cast(name as text) as full_name"),
        ("cast(points as integer) as points", "cast(points as bigint) as points"),
    ):
        shop.replace("models/people.sql", old, new)
    for old, new in (
        ("firstname: name", "firstname: full_name"),
        ("name: name", "name: full_name"),
        ("name: id, data_type: integer", "name: id, data_type: bigint"),
    ):
        shop.replace("models/models.yml", old, new)
    run_dbt(shop.directory, "run", "--select", "people")
    requests, written = shop.sandbox.requests, shop.sandbox.writes

    for sync in ("crm_people", "hook_deleted"):
        entry = shop.sync(sync)
        assert (entry["exit"], entry["outcomes"], entry["census"]["changes"]) == (0, {"unchanged": 5}, {"changed": 5})

    assert shop.sandbox.writes == written
    assert shop.sandbox.requests - requests <= 1, "one look at HubSpot's properties: the rows had to be shaped"
    quiet = shop.sandbox.requests
    assert shop.sync("crm_people")["outcomes"] == {}
    assert shop.sandbox.requests == quiet, "looked at once, not in every run"


@pytest.mark.slow
def test_an_integer_that_became_a_bigint_sends_nothing(each_shop: Shop) -> None:
    """4, on each warehouse, for key and value."""
    each_shop.sync("hook_deleted")
    requests = each_shop.sandbox.requests
    each_shop.execute("ALTER TABLE people ALTER COLUMN points TYPE bigint")
    each_shop.execute("ALTER TABLE people ALTER COLUMN id TYPE bigint")

    entry = each_shop.sync("hook_deleted")

    assert (entry["exit"], entry["outcomes"], entry["requests"]) == (0, {"unchanged": 5}, 0)
    assert each_shop.sandbox.requests == requests


@pytest.mark.slow
def test_a_table_built_anew_in_another_order_sends_nothing(each_shop: Shop) -> None:
    """4: a full refresh."""
    each_shop.sync("hook_deleted")
    requests = each_shop.sandbox.requests
    each_shop.execute("CREATE TABLE rebuilt AS SELECT * FROM people ORDER BY id DESC")
    each_shop.execute("DROP TABLE people")
    each_shop.execute("ALTER TABLE rebuilt RENAME TO people")

    entry = each_shop.sync("hook_deleted")

    assert (entry["outcomes"], entry["census"]["unchanged"]) == ({}, 5)
    assert each_shop.sandbox.requests == requests
