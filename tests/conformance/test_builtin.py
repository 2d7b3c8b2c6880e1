"""Every built-in destination through the public suite, against real databases, real files, real sockets."""

import json
import sqlite3
import struct
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, ClassVar

import duckdb
import httpx
import jsonschema
import psycopg
import pytest

from dbt_activate.contracts import Destination
from dbt_activate.destinations.duckdb import DuckDb
from dbt_activate.destinations.file import File
from dbt_activate.destinations.http import Http
from dbt_activate.destinations.hubspot import HubSpot
from dbt_activate.destinations.postgres import Postgres
from dbt_activate.destinations.sqlite import Sqlite
from dbt_activate.sandbox.options import SandboxOptions
from dbt_activate.sandbox.server import RunningSandbox
from dbt_activate.testing.conformance import DestinationConformance, NotOffered, System, Trouble
from dbt_activate.values.destination import Connection
from dbt_activate.values.json import Json, JsonObject
from dbt_activate.values.secret import Secret

POSTGRES = "postgresql://root@127.0.0.1:5432/test"
REFUSED = "refuse this canary"
TABLE = f"(email VARCHAR(300) PRIMARY KEY, name TEXT CHECK (name <> '{REFUSED}'), score BIGINT)"
COLUMNS = ("email", "name", "score")


def connection(kind: str, settings: dict[str, object]) -> Connection:
    return Connection(name="there", output="dev", type=kind, settings=settings, allow_private_addresses=True)


class Table(System):
    """A table that refuses one value of ``name``."""

    def __init__(
        self, kind: str, settings: dict[str, object], table: str, run: Callable[[str], Sequence[tuple[Any, ...]]]
    ) -> None:
        self._connection = connection(kind, settings)
        self._table = table
        self._run = run
        run(f"CREATE TABLE {table} {TABLE}")

    @property
    def connection(self) -> Connection:
        return self._connection

    def records(self) -> Sequence[JsonObject]:
        rows = self._run(f"SELECT email, name, score FROM {self._table}")
        return [dict(zip(COLUMNS, row, strict=True)) for row in rows]

    def refused_fields(self) -> JsonObject:
        return {"name": REFUSED}


class TestPostgres(DestinationConformance):
    destination = Postgres

    @pytest.fixture
    def system(self) -> Iterator[System]:
        schema = f"conformance_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(POSTGRES, autocommit=True) as link:

            def run(sql: str) -> Sequence[tuple[Any, ...]]:
                cursor = link.execute(sql.encode())
                return cursor.fetchall() if cursor.description else []

            run(f"CREATE SCHEMA {schema}")
            yield Table("postgres", {"url": Secret(POSTGRES), "schema": schema}, f"{schema}.people", run)
            run(f"DROP SCHEMA {schema} CASCADE")


class TestDuckDb(DestinationConformance):
    destination = DuckDb

    @pytest.fixture
    def system(self, tmp_path: Path) -> System:
        path = tmp_path / "there.duckdb"

        def run(sql: str) -> Sequence[tuple[Any, ...]]:
            with closing(duckdb.connect(str(path))) as link:
                return link.execute(sql).fetchall()

        return Table("duckdb", {"path": str(path)}, "people", run)


class TestSqlite(DestinationConformance):
    destination = Sqlite

    @pytest.fixture
    def system(self, tmp_path: Path) -> System:
        path = tmp_path / "there.sqlite"

        def run(sql: str) -> Sequence[tuple[Any, ...]]:
            with closing(sqlite3.connect(path, isolation_level=None)) as link:
                return link.execute(sql).fetchall()

        return Table("sqlite", {"path": str(path)}, "people", run)


class ChangeFiles(System):
    """Somebody who reads the files in the order of their names and applies each line."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def connection(self) -> Connection:
        return connection("file", {"path": str(self._directory), "envelope": True})

    def records(self) -> Sequence[JsonObject]:
        records: dict[str, JsonObject] = {}
        for path in sorted(self._directory.rglob("*.jsonl")):
            for number, line in enumerate(path.read_text().split("\n")[:-1]):
                self._apply(json.loads(line), records, f"{path.name}:{number}")
        return list(records.values())

    def _apply(self, line: JsonObject, records: dict[str, JsonObject], place: str) -> None:
        fields = line["fields"]
        assert isinstance(fields, dict)
        email = str(fields["email"])
        operation = line["operation"]
        if operation == "create":
            records[place] = fields
        elif operation == "delete":
            records.pop(email, None)
        elif operation == "upsert" or email in records:
            records.setdefault(email, {}).update(fields)


class TestFile(DestinationConformance):
    destination = File

    @pytest.fixture
    def system(self, tmp_path: Path) -> System:
        return ChangeFiles(tmp_path / "out")


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


BEFORE: Mapping[Trouble | None, Reply | None] = {
    Trouble.TOO_MANY_REQUESTS: Reply(429),
    Trouble.UNAUTHORIZED: Reply(401, body=b'{"error": "Bearer hunter2-canary is not known"}'),
    Trouble.ERROR_BEFORE: Reply(500),
    Trouble.RESET_BEFORE: None,
}

AFTER: Mapping[Trouble | None, Reply | None] = {
    Trouble.ERROR_AFTER: Reply(500),
    Trouble.RESET_AFTER: None,
    Trouble.EMPTY_ANSWER: Reply(200),
    Trouble.GARBLED_ANSWER: Reply(200, body=b"<html>All is well</html>"),
}


class WebApp(System):
    """A JSON API on a real socket, which is told what to do wrong."""

    def __init__(self, answers: str) -> None:
        self._answers = answers
        self._records: dict[str, JsonObject] = {}
        self._troubles: list[tuple[Trouble, str | None]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.answer))
        self._url = f"http://127.0.0.1:{self._server.server_port}/people"

    @contextmanager
    def serving(self) -> Iterator["WebApp"]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    @property
    def connection(self) -> Connection:
        settings: dict[str, object] = {"url": self._url, "headers": {"Authorization": Secret("Bearer hunter2-canary")}}
        if self._answers != "all":
            settings["results"] = {
                "by": self._answers,
                "key": "email",
                "succeeded": {"field": "status", "values": ["ok"]},
                "message": "error",
            }
        return connection("http", settings)

    def records(self) -> Sequence[JsonObject]:
        return list(self._records.values())

    def refused_fields(self) -> JsonObject:
        return {"name": REFUSED}

    def trouble(self, kind: Trouble, *, retry_after: str | None = None) -> None:
        if kind.name.startswith("ROWS_") and self._answers == "all":
            raise NotOffered("its answers name no rows")
        self._troubles.append((kind, retry_after))

    def answer(self, method: str, headers: Any, body: bytes) -> "Reply | None":
        """What to answer; None where the connection is to break."""
        if method == "HEAD":
            return Reply(200)
        assert headers["Authorization"] == "Bearer hunter2-canary"
        kind, retry_after = self._troubles.pop(0) if self._troubles else (None, None)
        if kind in BEFORE:
            return Reply(429, {"Retry-After": retry_after}) if retry_after is not None else BEFORE[kind]
        status, items = self._apply(method, json.loads(body))
        if kind in AFTER:
            return AFTER[kind]
        return Reply(status, body=json.dumps({"results": _rearranged(kind, items)}).encode())

    def _apply(self, method: str, rows: list[JsonObject]) -> tuple[int, list[JsonObject]]:
        faults = [self._fault(method, row) for row in rows]
        if self._answers == "all" and any(faults):
            return 422, []
        for row, fault in zip(rows, faults, strict=True):
            if fault is None:
                self._write(method, row)
        return 200, [
            {"email": row["email"], "status": "error" if fault else "ok", "error": fault}
            for row, fault in zip(rows, faults, strict=True)
        ]

    def _fault(self, method: str, row: JsonObject) -> str | None:
        if row.get("name") == REFUSED:
            return f"the name {REFUSED!r} is refused"
        missing = method == "PATCH" and row["email"] not in self._records
        return "there is no such record" if missing and self._answers != "all" else None

    def _write(self, method: str, row: JsonObject) -> None:
        email = str(row["email"])
        if method == "DELETE":
            self._records.pop(email, None)
        elif method == "POST" or email in self._records:
            self._records.setdefault(email, {}).update(row)


def _rearranged(kind: Trouble | None, items: list[JsonObject]) -> list[JsonObject]:
    stranger: JsonObject = {"email": "stranger@example.com", "status": "ok"}
    ways: Mapping[Trouble | None, list[JsonObject]] = {
        Trouble.ROWS_MISSING: items[:-1],
        Trouble.ROWS_REORDERED: items[::-1],
        Trouble.ROWS_EXTRA: [*items, stranger],
        Trouble.ROWS_TWICE: [*items[:1], *items],
    }
    return ways.get(kind, items)


def _handler(answer: Callable[[str, Any, bytes], Reply | None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def parse_request(self) -> bool:
            parsed = super().parse_request()
            if parsed:
                setattr(self, f"do_{self.command}", self.respond)
            return parsed

        def respond(self) -> None:
            found = answer(self.command, self.headers, self.rfile.read(int(self.headers.get("Content-Length", 0))))
            if found is None:
                self.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                return
            self.send_response(found.status)
            for name, value in {**found.headers, "Content-Length": str(len(found.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(found.body)

        def log_message(self, *_arguments: object) -> None:
            """Stay silent."""

    return Handler


class TestHttp(DestinationConformance):
    destination = Http

    @pytest.fixture(params=["all", "key", "index"])
    def system(self, request: pytest.FixtureRequest) -> Iterator[System]:
        with WebApp(request.param).serving() as app:
            yield app


class Crm(System):
    """The sandbox, as HubSpot."""

    KINDS: ClassVar[Mapping[Trouble, str]] = {
        Trouble.TOO_MANY_REQUESTS: "too_many_requests",
        Trouble.ERROR_BEFORE: "error_before",
        Trouble.ERROR_AFTER: "error_after",
        Trouble.RESET_BEFORE: "reset_before",
        Trouble.RESET_AFTER: "reset_after",
        Trouble.EMPTY_ANSWER: "empty_answer",
        Trouble.UNAUTHORIZED: "unauthorized",
        Trouble.ROWS_MISSING: "drop_rows",
    }

    def __init__(self, url: str) -> None:
        self._url = url

    @property
    def connection(self) -> Connection:
        return connection("hubspot", {"token": Secret("pat-hunter2-canary"), "base_url": self._url})

    def records(self) -> Sequence[JsonObject]:
        state = httpx.get(f"{self._url}/_sandbox/state", params={"object": "contacts", "limit": "1000"}).json()
        rows = [row["properties"] for row in state["records"].get("contacts", ()) if not row["archived"]]
        return [{name: value if value != "" else None for name, value in row.items()} for row in rows]

    def as_stored(self, value: Json) -> Json:
        return str(value) if isinstance(value, int) else value

    def refused_fields(self) -> JsonObject:
        self._fault(kind="reject", reject={"property": "firstname", "value": REFUSED, "message": f"no {REFUSED}"})
        return {"firstname": REFUSED}

    def trouble(self, kind: Trouble, *, retry_after: str | None = None) -> None:
        if kind not in self.KINDS:
            super().trouble(kind)
        # Contacts are looked up before they are written, so the path of the write is named.
        path = "/crm/v3/objects/contacts/batch/create"
        self._fault(kind=self.KINDS[kind], path=path, count=1, retry_after=retry_after)

    def _fault(self, **fault: object) -> None:
        httpx.post(f"{self._url}/_sandbox/faults", json=fault).raise_for_status()


class TestHubSpot(DestinationConformance):
    destination = HubSpot
    object_name = "contacts"
    text = "firstname"

    @pytest.fixture
    def system(self, sandbox: str) -> System:
        httpx.post(f"{sandbox}/_sandbox/reset").raise_for_status()
        return Crm(sandbox)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    score = {"name": "score", "label": "Score", "type": "number", "fieldType": "number"}
    properties = {"contacts": [{**score, "groupName": "contactinformation"}]}
    with RunningSandbox(SandboxOptions(rate_limit=0, properties=properties)) as running:
        yield running.url


BUILT_IN: tuple[type[Destination], ...] = (Postgres, DuckDb, Sqlite, File, Http, HubSpot)


@pytest.mark.parametrize("destination", BUILT_IN)
def test_the_settings_schema_is_valid_json_schema(destination: type[Destination]) -> None:
    jsonschema.Draft202012Validator.check_schema(dict(destination.connection_schema))


@pytest.mark.parametrize("destination", BUILT_IN)
def test_an_unknown_setting_is_refused(destination: type[Destination]) -> None:
    validator = jsonschema.Draft202012Validator(dict(destination.connection_schema))
    assert any("no_such_setting" in error.message for error in validator.iter_errors({"no_such_setting": 1}))
