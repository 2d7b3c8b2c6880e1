"""A small shop for acceptance tests: a dbt project that a real dbt built, its warehouse, and a sandbox to send to.

The project is built once; each test has a copy of it. Rows are changed in the warehouse itself, as dbt would.
"""

import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, cast
from urllib.request import Request, urlopen

import duckdb
import psycopg

from dbt_activate.cli import invoke

CROWD = 20_000
HOOK_TOKEN = "hook-8d1f03c7a95e"
PEOPLE = {
    1: ("ann@example.com", "Ann", 10),
    2: ("bob@example.com", "Bob", 20),
    3: ("cy@example.com", "Cy", 30),
    4: ("dee@example.com", "Dee", 40),
    5: ("eve@example.com", "Eve", 50),
}
POSTGRES = {
    "PGHOST": os.environ.get("PGHOST", "127.0.0.1"),
    "PGPORT": os.environ.get("PGPORT", "5432"),
    "PGUSER": os.environ.get("PGUSER", "root"),
    "PGDATABASE": os.environ.get("PGDATABASE", "test"),
}

_CONTACT = "{email: email, firstname: name, jobtitle: {column: points, transform: [string]}}"
_CRM = f"object: contacts, identifier: email, purpose: care, fields: {_CONTACT}"
_ROW = "purpose: care, fields: {id: id, email: email, name: name, points: points}"
_TABLE = f"identifier: id, {_ROW}"
_VALUES = ",\n  ".join(f"({key}, '{email}', '{name}', {points})" for key, (email, name, points) in PEOPLE.items())

PROJECT: Mapping[str, str] = {
    "dbt_project.yml": """
name: shop
version: '1.0'
config-version: 2
profile: shop
models: {+materialized: table}
""",
    "profiles.yml": """
shop:
  target: "{{ env_var('SHOP_TARGET', 'dev') }}"
  outputs:
    dev: {type: duckdb, path: shop.duckdb, threads: 1}
    pg:
      type: postgres
      host: "{{ env_var('PGHOST', '127.0.0.1') }}"
      port: "{{ env_var('PGPORT', '5432') | as_number }}"
      user: "{{ env_var('PGUSER', 'postgres') }}"
      password: "{{ env_var('DBT_ENV_SECRET_PG_PASSWORD', '') }}"
      dbname: "{{ env_var('PGDATABASE', 'postgres') }}"
      schema: "{{ env_var('SHOP_SCHEMA', 'shop') }}"
      threads: 1
""",
    "models/people.sql": f"""
select
  cast(id as integer) as id, cast(email as varchar(200)) as email, cast(name as varchar(200)) as name,
  cast(points as integer) as points, cast('2026-01-01' as timestamp) as updated_at
from (values
  {_VALUES}
) as given (id, email, name, points)
""",
    "models/crowd.sql": """
select
  cast(i as integer) as id, 'c' || i || '@example.com' as email, 'C' || i as name, cast(i % 100 as integer) as points
from generate_series(1, {{ var('crowd', 20000) }}) as given (i)
""",
    "models/models.yml": f"""
models:
  - name: people
    config:
      meta:
        activate:
          crm_people: {{{_CRM}, destination: crm, tags: [crm]}}
          crm_archived: {{{_CRM}, destination: crm_b, on_removed: archive}}
          crm_cleared: {{{_CRM}, destination: crm_c, on_removed: clear}}
          hook_ignored: {{{_TABLE}, destination: hook, object: kept}}
          hook_deleted: {{{_TABLE}, destination: hook, object: mirrored, mode: mirror}}
          hook_appended: {{{_ROW}, destination: journal, object: journal, mode: append}}
          in_sqlite: {{{_TABLE}, destination: lite, object: people, mode: mirror}}
          in_duckdb: {{{_TABLE}, destination: duck, object: people, mode: mirror}}
          in_postgres: {{{_TABLE}, destination: post, object: people, mode: mirror}}
    columns:
      - {{name: id, data_type: integer, data_tests: [unique, not_null]}}
      - name: email
        data_type: varchar
        config: {{meta: {{activate_field: {{pii: email, purpose: [care]}}}}}}
      - {{name: name, data_type: varchar}}
  - name: crowd
    config:
      meta:
        activate:
          crowd_upserted: {{{_CRM}, destination: crm_d, guards: {{max_changed: 100%}}}}
          crowd_created: {{{_CRM}, destination: crm_e, mode: insert}}
    columns:
      - {{name: id, data_tests: [unique, not_null]}}
""",
}

_SANDBOX = "{type: sandbox, emulate: hubspot, url: \"{{ env_var('SANDBOX_URL') }}\", max_requests_per_second: 10000}"
_HOOK = (
    "{type: http, url: \"{{ env_var('SANDBOX_URL') }}/hooks/{object}\", allow_private_addresses: true,"
    " headers: {Authorization: \"Bearer {{ env_var('HOOK_TOKEN') }}\"}, delivery: %s}"
)
_OUTPUTS: Mapping[str, str] = {
    **dict.fromkeys(("crm", "crm_b", "crm_c", "crm_d", "crm_e"), _SANDBOX),
    "hook": _HOOK % "upsert",
    "journal": _HOOK % "append",
    "lite": "{type: sqlite, path: lite.sqlite}",
    "duck": "{type: duckdb, path: duck.duckdb}",
    "post": (
        "{type: postgres, host: \"{{ env_var('PGHOST', '127.0.0.1') }}\", port: \"{{ env_var('PGPORT', '5432') }}\","
        " user: \"{{ env_var('PGUSER', 'postgres') }}\", dbname: \"{{ env_var('PGDATABASE', 'postgres') }}\","
        " schema: \"{{ env_var('OPS_SCHEMA', 'public') }}\", create_table: true, allow_private_addresses: true}"
    ),
}
DESTINATIONS = "".join(f"{name}:\n  outputs:\n    dev: {text}\n    pg: {text}\n" for name, text in _OUTPUTS.items())


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def write_project(directory: Path) -> None:
    """Write the project as its author would."""
    for name, text in {**PROJECT, "destinations.yml": DESTINATIONS}.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip())


def run_dbt(directory: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> None:
    """Run a real dbt in *directory*."""
    done = subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", "--quiet", "--no-use-colors", *arguments],
        cwd=directory,
        env={**plain_environment(), **POSTGRES, "DBT_PROFILES_DIR": str(directory), **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def plain_environment() -> dict[str, str]:
    """Our environment, without what would lead dbt, or us, elsewhere."""
    ours = ("DBT_", "SHOP_", "SANDBOX_URL", "HOOK_TOKEN")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}


class Sandbox:
    """What a sandbox tells of itself."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str) -> Any:
        with urlopen(f"{self.url}{path}", timeout=60) as answer:  # noqa: S310 - our own sandbox
            return json.load(answer)

    def send(self, method: str, path: str, body: object = None) -> None:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        with urlopen(Request(f"{self.url}{path}", data, headers, method=method), timeout=60):  # noqa: S310 - our own sandbox
            pass

    def fault(self, kind: str, **settings: object) -> None:
        """Switch a fault on."""
        self.send("POST", "/_sandbox/faults", {"kind": kind, **settings})

    def heal(self) -> None:
        """Switch every fault off."""
        self.send("DELETE", "/_sandbox/faults")

    @property
    def requests(self) -> int:
        return int(self.get("/_sandbox/counts")["total"])

    @property
    def rows_written(self) -> int:
        """Rows in all requests that write, those that were refused included."""
        return int(self.get("/_sandbox/counts")["rows_written"])

    @property
    def writes(self) -> int:
        return int(self.get("/_sandbox/counts")["write"])

    def records(self, name: str = "contacts") -> dict[str, dict[str, Any]]:
        """Record id to properties."""
        found: dict[str, dict[str, Any]] = {}
        while True:
            page = self.get(f"/_sandbox/state?object={name}&offset={len(found)}&limit=1000")["records"].get(name, [])
            if not page:
                return found
            found |= {record["id"]: record["properties"] for record in page}

    def contacts(self) -> dict[str, dict[str, Any]]:
        """E-mail to properties; records whose e-mail is gone are left out."""
        records = self.records()
        found = {str(one["email"]): one for one in records.values() if one.get("email")}
        assert len(found) == sum(bool(one.get("email")) for one in records.values()), "an e-mail has two contacts"
        return found


@dataclass
class Shop:
    """A copy of the project, its warehouse, and its sandbox."""

    directory: Path
    sandbox: Sandbox
    setenv: Callable[[str, str], None]
    environ: dict[str, str] = field(default_factory=dict)

    engine = "duckdb"
    target = "dev"

    def __post_init__(self) -> None:
        self.give(SANDBOX_URL=self.sandbox.url, DBT_PROFILES_DIR=str(self.directory), SHOP_TARGET=self.target)
        self.give(HOOK_TOKEN=HOOK_TOKEN, **POSTGRES)

    def give(self, **variables: str) -> None:
        """Set environment variables, for both ways to run a command."""
        self.environ |= variables
        for name, value in variables.items():
            self.setenv(name, value)

    def run(self, *arguments: str) -> Done:
        """Run a command line in this process."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = invoke([*arguments, "--project-dir", str(self.directory)])
        return Done(code, out.getvalue(), err.getvalue())

    def start(self, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        """Start the program in a process of its own."""
        given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        command = [sys.executable, "-m", "dbt_activate", *arguments]
        environ = {**plain_environment(), **self.environ}
        process = subprocess.Popen(command, cwd=self.directory, env=environ, **given)
        return cast("subprocess.Popen[str]", process)

    def program(self, *arguments: str, **options: Any) -> Done:
        """Run the program in a process of its own."""
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=120)
        return Done(process.returncode, out or "", err or "")

    def sync(self, name: str, *arguments: str) -> dict[str, Any]:
        """Run one sync; return its entry in the artifact, with the exit code as ``exit``."""
        done = self.run("sync", "-s", name, *arguments)
        assert done.code in (0, 1), done.err + done.out
        return {**self.result(name), "exit": done.code}

    def result(self, name: str) -> dict[str, Any]:
        """The entry of sync *name* in the artifact of the last run."""
        document = json.loads((self.directory / "target/activate/activate_results.json").read_text())
        return next(entry for entry in document["results"] if entry["sync"] == name)

    def rejects(self, name: str) -> list[dict[str, Any]]:
        done = self.run("rejects", "-s", name, "--output", "json")
        assert done.code == 0, done.err
        rejects: list[dict[str, Any]] = done.json["rejects"]
        return rejects

    def execute(self, statement: str, *parameters: object) -> None:
        """Change the warehouse: ``execute("UPDATE people SET points = ? WHERE id = 1", 7)``."""
        with duckdb.connect(str(self.directory / "shop.duckdb")) as connection:
            connection.execute(statement, list(parameters))

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.directory / "shop.duckdb"), read_only=True) as connection:
            return connection.execute(statement).fetchall()

    @property
    def ledger_schema(self) -> str:
        return "main_activate"

    def memory(self) -> object:
        """The whole warehouse, ledger and all, so that any write to it shows."""
        return sha256((self.directory / "shop.duckdb").read_bytes()).hexdigest()

    def files(self) -> dict[str, str]:
        """Every file of the project, by a hash of what is in it."""
        paths = (path for path in sorted(self.directory.rglob("*")) if path.is_file())
        return {path.relative_to(self.directory).as_posix(): sha256(path.read_bytes()).hexdigest() for path in paths}

    def everywhere(self) -> object:
        """The warehouse, the project's files, and what the sandbox holds and was told; but no log of what we did."""
        counts = self.sandbox.get("/_sandbox/counts")
        state = self.sandbox.get("/_sandbox/state")
        told = (counts["write"], counts["read"], state["records"], state["objects"])
        return (self.memory(), {name: hash_ for name, hash_ in self.files().items() if not _is_told(name)}, told)

    def edit_blocks(self, edit: Callable[[dict[str, Any]], object], model: str = "people") -> None:
        """Change the blocks of *model* where `dbt parse` would have put the change: in the manifest."""
        path = self.directory / "target/manifest.json"
        manifest = json.loads(path.read_text())
        node = manifest["nodes"][f"model.shop.{model}"]
        edit(node["config"]["meta"]["activate"])
        node["meta"] = node["config"]["meta"]
        path.write_text(json.dumps(manifest))

    def replace(self, name: str, old: str, new: str) -> None:
        """Edit a file of the project."""
        text = (self.directory / name).read_text()
        assert old in text
        (self.directory / name).write_text(text.replace(old, new))

    def lite(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the SQLite file of the destination ``lite``."""
        with closing(sqlite3.connect(self.directory / "lite.sqlite")) as connection:
            return connection.execute(statement).fetchall()


def _is_told(name: str) -> bool:
    """Whether a file is looked at elsewhere, or tells what was just done: the log, and the last plan."""
    return name.startswith("shop.duckdb") or name in ("target/activate/activate.log", "target/activate/plan.json")


class PostgresShop(Shop):
    """The same with PostgreSQL for a warehouse."""

    engine = "postgres"
    target = "pg"
    schema = ""

    @property
    def ledger_schema(self) -> str:
        return f"{self.schema}_activate"

    def execute(self, statement: str, *parameters: object) -> None:
        with self._connection() as connection:
            connection.execute(statement.replace("?", "%s").encode(), parameters)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with self._connection() as connection:
            return connection.execute(statement.encode()).fetchall()

    def memory(self) -> object:
        """Every row of warehouse and ledger, with the transaction that wrote it and the place where it lies."""
        with self._connection() as connection:
            tables = connection.execute(
                "SELECT table_schema, table_name FROM information_schema.tables"
                " WHERE table_schema IN (%s, %s) ORDER BY 1, 2",
                [self.schema, self.ledger_schema],
            ).fetchall()
            return {
                name: connection.execute(
                    f'SELECT xmin::text, ctid::text, t::text FROM "{name[0]}"."{name[1]}" AS t'.encode()
                ).fetchall()
                for name in tables
            }

    @contextmanager
    def _connection(self) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
        with postgres_connection() as connection:
            connection.execute(f'SET search_path TO "{self.schema}"'.encode())
            yield connection


@contextmanager
def postgres_connection() -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
    """A connection that commits each statement."""
    address = psycopg.conninfo.make_conninfo(
        host=POSTGRES["PGHOST"], port=POSTGRES["PGPORT"], user=POSTGRES["PGUSER"], dbname=POSTGRES["PGDATABASE"]
    )
    with psycopg.connect(address, autocommit=True, connect_timeout=5) as connection:
        yield connection


def copy_of(template: Path, directory: Path) -> Path:
    """A copy of a built project."""
    return Path(shutil.copytree(template, directory / "shop", ignore=shutil.ignore_patterns("logs")))


def outcomes(entry: Mapping[str, Any], *names: str) -> Sequence[int]:
    """How many rows of a result ended as each of *names*."""
    return [entry["outcomes"].get(name, 0) for name in names]
