"""The ledger's tables: a public, versioned interface.

Column types are logical (``text bigint integer double timestamp boolean``); the warehouse's dialect names its own.
Timestamps are UTC. Columns of JSON are text, which every engine has.
"""

from collections.abc import Mapping
from dataclasses import dataclass

VERSION = 1
"""The version of the layout that this release writes."""

LEDGER_PREFIX = "ledger__"

LEDGER = {
    "key": "text",
    "fingerprint": "bigint",
    "basis": "text",
    "payload_hash": "text",
    "payload": "text",
    "field_hashes": "text",
    "theirs": "text",
    "identity": "text",
    "record_id": "text",
    "incarnation": "integer",
    "revision": "integer",
    "confirmed_at": "timestamp",
    "reconfirm_after": "timestamp",
    "removed_at": "timestamp",
    "run_id": "text",
}
"""``ledger__<sync>``: one row per primary key that was ever confirmed; *removed_at* marks one that is gone since."""

TABLES: Mapping[str, Mapping[str, str]] = {
    "meta": {"name": "text", "value": "text"},
    "leases": {
        "sync": "text",
        "holder": "text",
        "epoch": "bigint",
        "expires_at": "timestamp",
        "binding": "text",
        "run_id": "text",
        "host": "text",
        "pid": "bigint",
    },
    "runs": {
        "run_id": "text",
        "sync": "text",
        "model": "text",
        "destination": "text",
        "object": "text",
        "epoch": "bigint",
        "basis": "text",
        "invocation_id": "text",
        "dbt_invocation_id": "text",
        "plan_hash": "text",
        "config_hash": "text",
        "version": "text",
        "status": "text",
        "message": "text",
        "counts": "text",
        "planned": "bigint",
        "requests": "bigint",
        "folded": "boolean",
        "started_at": "timestamp",
        "ended_at": "timestamp",
    },
    "batches": {
        "sync": "text",
        "run_id": "text",
        "epoch": "bigint",
        "number": "bigint",
        "attempt": "integer",
        "state": "text",
        "operation": "text",
        "delivery": "text",
        "keys": "text",
        "payload_hash": "text",
        "idempotency_key": "text",
        "first_sent_at": "timestamp",
        "handle": "text",
        "logged_at": "timestamp",
    },
    "row_log": {
        "sync": "text",
        "run_id": "text",
        "key": "text",
        "change": "text",
        "operation": "text",
        "outcome": "text",
        "code": "text",
        "field": "text",
        "pointer": "text",
        "message": "text",
        "changed_fields": "text",
        "before": "text",
        "after": "text",
        "field_hashes": "text",
        "theirs": "text",
        "identity": "text",
        "record_id": "text",
        "request_id": "text",
        "payload_hash": "text",
        "fingerprint": "bigint",
        "incarnation": "integer",
        "revision": "integer",
        "attempts": "integer",
        "next_attempt_at": "timestamp",
        "batch": "bigint",
        "logged_at": "timestamp",
    },
    "rejects": {
        "sync": "text",
        "key": "text",
        "outcome": "text",
        "operation": "text",
        "code": "text",
        "field": "text",
        "pointer": "text",
        "message": "text",
        "payload_hash": "text",
        "fingerprint": "bigint",
        "basis": "text",
        "attempts": "integer",
        "next_attempt_at": "timestamp",
        "first_seen_at": "timestamp",
        "last_seen_at": "timestamp",
        "request_id": "text",
        "run_id": "text",
    },
}


@dataclass(frozen=True, slots=True)
class Migration:
    """Statements that lift a ledger from *version* - 1 to *version*; ``{schema}`` stands for the quoted schema."""

    version: int
    statements: tuple[str, ...]


MIGRATIONS: tuple[Migration, ...] = ()
"""Empty: this is the first layout."""
