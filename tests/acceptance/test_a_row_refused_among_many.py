"""What must be shown, 2: one row that the destination refuses keeps back itself, and nothing else."""

import math

import pytest

from tests.acceptance.shops import CROWD, Shop, outcomes

REFUSED = 7_777
BATCH = 100
MOST_EXTRA = 2 * math.ceil(math.log2(BATCH)) + 1
"""So many more requests than batches it takes at the most to find one row in a batch."""


def _refuse(shop: Shop, value: str) -> None:
    reject = {"property": "jobtitle", "value": value, "message": "Property values were not valid"}
    shop.sandbox.fault("reject", path="/crm/", reject=reject)


def _held(shop: Shop, sync: str) -> dict[str, object]:
    """The one reject of *sync*, in what a user reads of it."""
    [reject] = shop.rejects(sync)
    return {name: reject[name] for name in ("key", "outcome", "field", "pointer", "attempts")}


def _assert_that_nothing_is_sent(shop: Shop, sync: str) -> None:
    requests = shop.sandbox.requests
    entry = shop.sync(sync)
    assert (shop.sandbox.requests, entry["requests"], entry["census"]["held"]) == (requests, 0, 1)


@pytest.mark.slow
def test_an_invalid_email_among_twenty_thousand_new_contacts_is_held_alone_until_it_changes(shop: Shop) -> None:
    """2, create: HubSpot refuses a whole batch for one row, the row is found by halving."""
    shop.execute("UPDATE crowd SET email = 'not an e-mail' WHERE id = ?", REFUSED)

    entry = shop.sync("crowd_created")

    assert (entry["exit"], entry["status"]) == (1, "partial")
    assert outcomes(entry, "succeeded", "rejected") == [CROWD - 1, 1]
    assert sum(entry["outcomes"].values()) == CROWD
    assert entry["requests"] <= CROWD / BATCH + MOST_EXTRA + 10
    assert len(shop.sandbox.contacts()) == CROWD - 1
    assert _held(shop, "crowd_created") == {
        "key": str(REFUSED),
        "outcome": "rejected",
        "field": "email",
        "pointer": "/email",
        "attempts": 1,
    }
    assert "not an e-mail" not in shop.rejects("crowd_created")[0]["message"]
    _assert_that_nothing_is_sent(shop, "crowd_created")

    shop.execute("UPDATE crowd SET email = 'late@example.com' WHERE id = ?", REFUSED)
    written = shop.sandbox.rows_written
    entry = shop.sync("crowd_created")
    assert (entry["exit"], entry["outcomes"]) == (0, {"succeeded": 1})
    assert shop.sandbox.rows_written == written + 1
    assert shop.rejects("crowd_created") == []
    assert shop.sandbox.contacts()["late@example.com"]["firstname"] == f"C{REFUSED}"


@pytest.mark.slow
def test_one_refused_update_among_twenty_thousand_is_held_alone_until_it_changes(shop: Shop) -> None:
    """2, upsert: all rows are there, all change, and one of the updates is refused together with its batch."""
    assert outcomes(shop.sync("crowd_upserted"), "succeeded") == [CROWD]
    shop.execute("UPDATE crowd SET points = points + 1")
    shop.execute("UPDATE crowd SET points = -1 WHERE id = ?", REFUSED)
    _refuse(shop, "-1")

    entry = shop.sync("crowd_upserted")

    assert (entry["exit"], entry["status"]) == (1, "partial")
    assert entry["counts"] == {"changed": {"rejected": 1, "succeeded": CROWD - 1}}
    assert entry["requests"] <= CROWD / BATCH + MOST_EXTRA + 10
    assert _held(shop, "crowd_upserted")["key"] == str(REFUSED)
    contacts = shop.sandbox.contacts()
    assert len(contacts) == CROWD
    assert contacts[f"c{REFUSED}@example.com"]["jobtitle"] == str(REFUSED % 100), "the refused row stays as it was"
    wrong = [i for i in range(1, CROWD + 1) if contacts[f"c{i}@example.com"]["jobtitle"] != str(i % 100 + 1)]
    assert wrong == [REFUSED]
    _assert_that_nothing_is_sent(shop, "crowd_upserted")

    shop.execute("UPDATE crowd SET points = 555 WHERE id = ?", REFUSED)
    written = shop.sandbox.rows_written
    entry = shop.sync("crowd_upserted")
    assert (entry["exit"], entry["outcomes"]) == (0, {"succeeded": 1})
    assert shop.sandbox.rows_written == written + 1
    assert shop.rejects("crowd_upserted") == []


@pytest.mark.slow
def test_a_held_row_is_sent_again_when_a_person_asks(shop: Shop) -> None:
    """2: the destination came to its senses, and neither row nor field map changed."""
    _refuse(shop, "30")
    assert outcomes(shop.sync("crm_people"), "succeeded", "rejected") == [4, 1]
    shop.sandbox.heal()
    assert shop.sync("crm_people")["requests"] == 0

    done = shop.run("retry", "-s", "crm_people", "--key", "3")

    assert done.code == 0, done.out
    assert len(shop.sandbox.contacts()) == 5
    assert shop.rejects("crm_people") == []
