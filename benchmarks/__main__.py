"""Time whole runs against the floor of each, and write benchmarks/RESULTS.md: `make bench`.

The *floor* of a case is the part that nobody can leave out, done by hand: reading the model, making the JSON, posting
the same number of bodies one after the other; or, where nothing changed, joining the model with the ledger on its key.
Rounds are interleaved, and the median is taken; only ratios of one run are worth comparing.
"""

import asyncio
import http.client
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb

from dbt_activate import __version__
from dbt_activate.ledger.store import Ledger
from dbt_activate.registry import DestinationKinds, SystemClock, connect
from dbt_activate.run import Runner, RunOptions
from dbt_activate.values.destination import Connection, Limits
from dbt_activate.values.payload import RunFacts
from dbt_activate.values.sync import Column, FieldMap, Guards, Location, Model, Sync, SyncMode
from dbt_activate.warehouses.duckdb import DuckDbWarehouse

ROWS = int(os.environ.get("BENCH_ROWS", "100000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
BATCH = 1_000
RESULTS = Path(__file__).parent / "RESULTS.md"
COLUMNS = ("id", "email", "first_name", "last_name", "score", "amount", "active", "updated_at")

MAKE_MODEL = f"""
    CREATE OR REPLACE TABLE people AS SELECT
        i AS id, 'person' || i || '@example.com' AS email, 'First' || i % 97 AS first_name,
        'Last' || i % 89 AS last_name, (i * 7919 % 1000) / 1000 AS score, CAST(i % 5000 AS DECIMAL(12, 2)) AS amount,
        i % 3 = 0 AS active, TIMESTAMP '2026-01-01' + INTERVAL (i % 1000) MINUTE AS updated_at
    FROM range({ROWS}) AS numbers(i)
"""
CHANGE = "UPDATE people SET score = score + 1 WHERE id % 100 = 0"


class Sink(BaseHTTPRequestHandler):
    """Takes whatever is posted."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Read the body and say ok."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@dataclass(frozen=True)
class Case:
    """One thing to time: what dbt-activate does, and the floor under it."""

    name: str
    ours: Callable[["World"], None]
    floor: Callable[["World"], None]
    before: Callable[["World"], None]


class World:
    """A warehouse file with a model, a sink, and a way to run the sync."""

    def __init__(self, directory: Path, url: str) -> None:
        self.path, self.url = directory / "bench.duckdb", url
        self.warehouse = DuckDbWarehouse({"path": str(self.path)}, directory, schema="main")
        self.sql(MAKE_MODEL)

    def sql(self, statement: str) -> None:
        """Change the model."""
        with duckdb.connect(str(self.path)) as connection:
            connection.execute(statement)

    def fresh(self) -> None:
        """Forget the ledger."""
        self.sql("DROP SCHEMA IF EXISTS main_activate CASCADE")

    def sync(self) -> None:
        """One whole run of the engine, imports not counted."""
        connection = Connection(
            name="sink",
            output="bench",
            type="http",
            settings={"url": f"{self.url}/people", "batch_size": BATCH},
            limits=Limits(max_concurrency=8),
            allow_private_addresses=True,
        )
        clock = SystemClock()
        run_id = f"{time.time_ns()}"
        runner = Runner(
            warehouse=self.warehouse,
            ledger=Ledger(warehouse=self.warehouse, schema="main_activate"),
            links={"sink": connect(connection, DestinationKinds(), clock, random.Random(1))},
            connections={"sink": connection},
            clock=clock,
            random=random.Random(1),
            report=lambda _event: None,
            facts=RunFacts(run_id=run_id, run_started_at="2026-01-01T00:00:00Z", invocation_id=run_id),
            options=RunOptions(),
            check=lambda _sync, _spec: None,
        )
        [result] = asyncio.run(runner.run([SYNC]))
        if result.status != "success":
            raise SystemExit(f"the benchmark's run ended {result.status}: {result.message}")


SYNC = Sync(
    name="people",
    model=Model(unique_id="model.bench.people", name="people", relation='"bench"."main"."people"', file="people.yml"),
    destination="sink",
    object=None,
    mode=SyncMode.UPSERT,
    primary_key=("id",),
    identifier=("id",),
    fields=tuple(FieldMap(path=(name,), source=Column(name)) for name in COLUMNS),
    at=Location("people.yml"),
    guards=replace(Guards(), max_changed=None),
    batch_size=BATCH,
)


def post_by_hand(world: World, where: str = "TRUE") -> None:
    """Read the rows, make the JSON, post it: no ledger, no check, no outcome."""
    host = world.url.removeprefix("http://")
    client = http.client.HTTPConnection(host)
    with duckdb.connect(str(world.path), read_only=True) as connection:
        cursor = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM people WHERE {where}")
        while rows := cursor.fetchmany(BATCH):
            body = json.dumps([dict(zip(COLUMNS, row, strict=True)) for row in rows], default=str)
            client.request("POST", "/people", body, {"Content-Type": "application/json"})
            client.getresponse().read()
    client.close()


def join_by_hand(world: World) -> None:
    """Join the model with the ledger on its key, and count."""
    statement = (
        "SELECT COUNT(*) FROM people AS m FULL OUTER JOIN main_activate.ledger__people AS l"
        " ON CAST(m.id AS VARCHAR) = l.key"
    )
    with duckdb.connect(str(world.path), read_only=True) as connection:
        connection.execute(statement).fetchall()


def join_and_post_by_hand(world: World) -> None:
    """Join the model with the ledger on its key, and post the rows that changed."""
    join_by_hand(world)
    post_by_hand(world, "id % 100 = 0")


CASES = (
    Case("first load", World.sync, post_by_hand, World.fresh),
    Case("no change", World.sync, join_by_hand, lambda _world: None),
    Case(
        "1 % changed",
        World.sync,
        join_and_post_by_hand,
        lambda world: world.sql(CHANGE),
    ),
)


def timed(action: Callable[[World], None], world: World) -> float:
    """Seconds that *action* took."""
    started = time.perf_counter()
    action(world)
    return time.perf_counter() - started


def measure(world: World) -> dict[str, tuple[float, float]]:
    """Median seconds of every case: ours, and the floor's."""
    ours: dict[str, list[float]] = {case.name: [] for case in CASES}
    floors: dict[str, list[float]] = {case.name: [] for case in CASES}
    for _ in range(ROUNDS):
        for case in CASES:
            case.before(world)
            ours[case.name].append(timed(case.ours, world))
            floors[case.name].append(timed(case.floor, world))
            print(f"  {case.name}: {ours[case.name][-1]:.2f} s, floor {floors[case.name][-1]:.2f} s", flush=True)
    return {name: (statistics.median(ours[name]), statistics.median(floors[name])) for name in ours}


def report(found: dict[str, tuple[float, float]], bytes_per_row: float) -> str:
    """The results as a page."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`. Ratios within one run on one machine; the seconds are there to judge the ratios by.",
        "",
        f"dbt-activate {__version__}, Python {platform.python_version()}, DuckDB {duckdb.__version__}",
        f"{os.cpu_count()} cores, {ROWS:,} rows of {len(COLUMNS)} columns, batches of {BATCH:,}, median of {ROUNDS}",
        "",
        "| case | ours ÷ floor | ours, s | floor, s | rows per s |",
        "|---|---|---|---|---|",
    ]
    for name, (ours, floor) in found.items():
        lines.append(f"| {name} | {ours / floor:.1f} | {ours:.2f} | {floor:.2f} | {ROWS / ours:,.0f} |")
    lines += [
        "",
        f"Warehouse file beyond the model, after the runs, with `store: values`: {bytes_per_row:.0f} bytes per row",
        "(ledger, row log and batches).",
        "",
        "The floor of *first load* reads, makes JSON and posts with one connection and the standard library: no",
        "ledger, no check, no outcome per row. The floor of *no change* is one key join; of *1 % changed*, both.",
        "",
    ]
    return "\n".join(lines)


@contextmanager
def sink() -> Iterator[str]:
    """A receiver in a thread."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def main() -> int:
    """Measure, print, write."""
    with tempfile.TemporaryDirectory() as directory, sink() as url:
        world = World(Path(directory), url)
        model_bytes = world.path.stat().st_size
        found = measure(world)
        page = report(found, (world.path.stat().st_size - model_bytes) / ROWS)
    print(page)
    RESULTS.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
