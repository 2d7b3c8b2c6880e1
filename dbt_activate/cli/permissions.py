"""Whether the ledger's schema may be made and written, asked of the engine without writing anything."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from dbt_activate.contracts import Session
from dbt_activate.ledger.store import Ledger


def refusals(ledger: Ledger, session: Session) -> tuple[str, ...]:
    """What keeps us from making or writing the ledger; empty where nothing does, or the engine cannot tell."""
    ask = _ENGINES.get(ledger.warehouse.dialect.name)
    return tuple(ask(ledger, session)) if ask else ()


def _in_postgres(ledger: Ledger, session: Session) -> list[str]:
    schema = ledger.schema
    if not list(session.rows("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = ?", [schema])):
        allowed = _one(session, "SELECT has_database_privilege(current_database(), 'CREATE')")
        return [] if allowed else ["no schema may be made in this database; grant CREATE on the database"]
    for privilege in ("USAGE", "CREATE"):
        if not _one(session, f"SELECT has_schema_privilege(?, '{privilege}')", schema):
            return [f"{privilege} on the schema is not granted; grant USAGE and CREATE on it"]
    closed = [str(row[0]) for row in session.rows(_CLOSED_TABLES, [schema])]
    return [f"the table {name} may not be written; grant SELECT, INSERT, UPDATE and DELETE on it" for name in closed]


_CLOSED_TABLES = (
    "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = ? AND c.relkind = 'r' AND NOT (has_table_privilege(c.oid, 'SELECT')"
    " AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')"
    " AND has_table_privilege(c.oid, 'DELETE')) ORDER BY c.relname"
)


def _one(session: Session, statement: str, *parameters: object) -> bool:
    [(answer,)] = session.rows(statement, parameters)
    return bool(answer)


def _in_duckdb(ledger: Ledger, _session: Session) -> list[str]:
    path = str(getattr(ledger.warehouse, "path", ""))
    if not path or path.startswith("md:"):
        return []
    # DuckDB writes beside its file, too: the log of what is not yet in it.
    places = [place for place in (Path(path), Path(path).parent) if not os.access(place, os.W_OK)]
    return [f"{place} may not be written to; allow it" for place in places]


_ENGINES: Mapping[str, Callable[[Ledger, Session], list[str]]] = {"postgres": _in_postgres, "duckdb": _in_duckdb}
