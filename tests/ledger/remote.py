"""A destination behind a real socket, and a run of it in a process of its own that can be killed."""

import asyncio
import json
import os
import random
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

from dbt_activate.contracts import Tools, Warehouse
from dbt_activate.delivery.pacing import Pacer
from dbt_activate.delivery.transport import transport_factory
from dbt_activate.destinations.http import Http
from dbt_activate.ledger.store import Ledger
from dbt_activate.registry import Link, SystemClock
from dbt_activate.run import Runner, RunOptions
from dbt_activate.values.destination import Connection, Limits
from dbt_activate.values.event import SyncResult
from dbt_activate.values.payload import RunFacts
from dbt_activate.warehouses.duckdb import DuckDbWarehouse
from dbt_activate.warehouses.postgres import PostgresWarehouse
from tests.run.worlds import make_sync


class Store(ThreadingHTTPServer):
    """Keeps the rows that it is sent, and may kill the sender at a request of its choice.

    Attributes:
        received: Every row, in the order of arrival.
        kill_at: The number of the write at which the process in ``victim`` is killed; its rows are kept first where
            ``kept`` is true, and never answered.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[dict[str, Any]] = []
        self.writes = 0
        self.kill_at = 0
        self.kept = True
        self.victim = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/rows"

    @property
    def records(self) -> dict[str, dict[str, Any]]:
        """E-mail to the record, as last written."""
        return {row["email"]: row for row in self.received}

    def take(self, rows: list[dict[str, Any]]) -> bool:
        """Keep *rows*; tell whether to answer."""
        with self.lock:
            self.writes += 1
            dies = self.writes == self.kill_at
            if self.kept or not dies:
                self.received += rows
            if dies:
                os.kill(self.victim, signal.SIGKILL)
            return not dies


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Store

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.take(rows):
            self._answer()
        else:
            self.close_connection = True

    def _answer(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


@contextmanager
def running_store() -> Iterator[Store]:
    with Store() as store:
        thread = threading.Thread(target=store.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield store
        finally:
            store.shutdown()
            thread.join()


def open_warehouse(place: Mapping[str, str]) -> Warehouse:
    """*place*: ``directory`` of a DuckDB file, or ``schema`` in the PostgreSQL database of the tests."""
    if "directory" in place:
        return DuckDbWarehouse({"path": "w.duckdb"}, Path(place["directory"]), schema="main")
    address = {"host": "127.0.0.1", "port": 5432, "user": "root", "dbname": "test"}
    return PostgresWarehouse(address, schema=place["schema"])


def run_once(place: Mapping[str, str], url: str, delivery: str) -> SyncResult:
    """One run against the store at *url*, five rows in a request, two requests at a time."""
    warehouse, clock = open_warehouse(place), SystemClock()
    settings = {"url": url, "delivery": delivery, "batch_size": 5}
    connection = Connection(name="crm", output="dev", type="http", settings=settings, allow_private_addresses=True)
    pacer = Pacer(clock, None)
    destination = Http(connection, Tools(clock=clock, transport=transport_factory(pacer)))
    run_id = uuid4().hex
    now = datetime.now(UTC).isoformat()
    runner = Runner(
        warehouse=warehouse,
        ledger=Ledger(warehouse=warehouse, schema=f"{warehouse.schema}_activate"),
        links={"crm": Link(destination=destination, pacer=pacer, limits=Limits(max_concurrency=2))},
        connections={"crm": connection},
        clock=clock,
        random=random.Random(3),
        report=lambda _event: None,
        facts=RunFacts(run_id=run_id, run_started_at=now, invocation_id=run_id),
        options=RunOptions(),
        check=lambda _sync, _spec: None,
    )
    sync = replace(make_sync(warehouse.schema), object=None)
    [result] = asyncio.run(runner.run([sync]))
    return result


if __name__ == "__main__":
    run_once(json.loads(sys.argv[1]), sys.argv[2], sys.argv[3])
