"""What a fingerprint rests on besides the row's values.

A fingerprint is the engine's own hash: quick, and only comparable with one that was made alike. Its *basis* says how it
was made: the field map, the types of the mapped columns, and a probe of the engine's hash function. Where the basis is
another one, every row is a candidate, and the payload hash decides: a new engine, a renamed column or an integer that
became a bigint is looked at once and sends nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict

from dbt_activate.contracts import Dialect, Session
from dbt_activate.planning.expressions import mapped_fields
from dbt_activate.values.sync import Sync


def fingerprint_sql(sync: Sync, types: Mapping[str, str], dialect: Dialect) -> str:
    """The hash of the fields that decide whether a row is sent. *types*: of the model query's columns."""
    columns = [(mapped.alias, types[mapped.alias]) for mapped in mapped_fields(sync) if mapped.field.decides]
    # A sync of constants alone has one fingerprint for every row.
    return dialect.fingerprint(columns) if columns else "0"


def fingerprint_basis(sync: Sync, types: Mapping[str, str], dialect: Dialect, session: Session) -> str:
    """16 hex digits over field map, types, dialect and the engine's probe."""
    (probe,) = next(iter(list(session.rows(f"SELECT {dialect.probe}"))))
    facts = [dialect.name, str(probe), dict(types), field_map_hash(sync)]
    return _digest(facts)


def field_map_hash(sync: Sync) -> str:
    """16 hex digits over everything in the block that shapes or checks a payload."""
    fields = [[type(field.source).__name__, asdict(field)] for field in sync.fields]
    return _digest([fields, sync.identifier, sync.schema])


def config_hash(sync: Sync) -> str:
    """16 hex digits over everything in the block that decides what is sent where."""
    place = [sync.name, sync.model.relation, sync.destination, sync.object, sync.mode, sync.on_removed, sync.where]
    return _digest([place, sync.primary_key, field_map_hash(sync)])


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
