"""Rows that wait on disk."""

from decimal import Decimal

import pytest

from dbt_activate.delivery.spool import Spool
from dbt_activate.values.payload import Payload
from tests.delivery.deliveries import make_payload


def test_what_is_added_comes_back_in_order_as_often_as_asked() -> None:
    spool: Spool[int] = Spool()
    for number in range(1000):
        spool.append(number)

    assert len(spool) == 1000
    assert list(spool) == list(range(1000))
    assert list(spool) == list(range(1000))
    spool.close()


def test_payloads_come_back_as_they_were() -> None:
    values = {
        "text": 'é\x00\ud800"\\\n',
        "big": "x" * 3_000_000,
        "number": Decimal("1E-30"),
        "nested": [None, {"a": True}],
    }
    spool: Spool[Payload] = Spool()
    spool.append(make_payload(1, fields=values))

    [payload] = spool

    assert payload == make_payload(1, fields=values)
    spool.close()


def test_an_empty_spool_has_nothing_to_tell() -> None:
    spool: Spool[int] = Spool()

    assert (len(spool), list(spool)) == (0, [])
    spool.close()


def test_a_closed_spool_can_be_neither_read_nor_added_to() -> None:
    spool: Spool[int] = Spool()
    spool.append(1)
    spool.close()

    with pytest.raises(ValueError, match="closed file"):
        list(spool)
    with pytest.raises(ValueError, match="closed file"):
        spool.append(2)
