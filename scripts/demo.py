"""The whole way on real purchases: `make demo`.

Builds the example project with dbt, starts the sandbox, plans, syncs, syncs again (nothing may be sent), moves `as_of`
by a week, syncs what changed, and compares every record with its model, field by field. Ends with 1 if anything is not
as it should be.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

REPOSITORY = Path(__file__).parents[1]
WORK = REPOSITORY / ".demo"
PROJECT = WORK / "example_project"
WEEK_LATER = "{as_of: 1997-10-08}"
PROGRAMS = Path(sys.executable).parent
PAGE = 5_000

CONTACTS = """
    SELECT email, first_name AS firstname, last_name AS lastname, * EXCLUDE (email, first_name, last_name)
    FROM customer_profile
"""


class DisagreementError(Exception):
    """Something is not as the demo promises."""


def main() -> int:
    """Run the demo; return its exit code."""
    started = time.monotonic()
    shutil.rmtree(WORK, ignore_errors=True)
    shutil.copytree(REPOSITORY / "example_project", PROJECT)
    try:
        with sandbox() as url:
            tell(url)
    except (DisagreementError, subprocess.CalledProcessError) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    finally:
        print(f"\nTook {time.monotonic() - started:.0f} s.")
    return 0


def tell(url: str) -> None:
    """The story, step by step."""
    say("1. dbt builds the models from 69,659 purchases of 23,570 customers")
    dbt("build", "--quiet")
    say("2. What would be sent?")
    activate("plan")
    say("3. The first sync sends every customer")
    activate("sync")
    compare(url)
    say("4. Nothing changed: the second sync must send nothing")
    before = requests(url)
    activate("sync")
    expect(requests(url) == before, "the second sync sent 0 requests")
    say("5. A week later: dbt builds again, and some rows change")
    dbt("build", "--quiet", "--vars", WEEK_LATER)
    activate("plan", "--show", "2", "--vars", WEEK_LATER)
    sent_before = rows_written(url)
    activate("sync", "--vars", WEEK_LATER)
    sent = rows_written(url) - sent_before
    expect(0 < sent < 23_570 / 4, f"only the {sent} changed rows were sent to the CRM and the webhook")
    compare(url)
    say("6. Where to look")
    print(f"  records     {PROJECT / 'ops.sqlite'}, and the sandbox's page:")
    print(f"              {PROGRAMS / 'dbt-activate'} sandbox --state {WORK / 'sandbox.json'}")
    print(f"  last run    {PROJECT / 'target/activate/activate_results.json'}")
    print(f"  past runs   cd {PROJECT} && {PROGRAMS / 'dbt-activate'} runs --profiles-dir .")


@contextmanager
def sandbox() -> Iterator[str]:
    """A sandbox of its own process, with the properties that the project writes to."""
    command = [str(PROGRAMS / "dbt-activate"), "sandbox", "--port", "0", "--rate-limit", "0"]
    command += ["--state", str(WORK / "sandbox.json"), "--properties", str(PROJECT / "hubspot_properties.json")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        url = next((word.rstrip(".,") for word in line.split() if word.startswith("http://")), None)
        if url is None:
            raise DisagreementError(f"the sandbox did not start: {line}")
        os.environ["DBT_ACTIVATE_SANDBOX_URL"] = url
        print(f"The sandbox is at {url}")
        yield url
    finally:
        process.terminate()
        process.wait(20)


def compare(url: str) -> None:
    """Hold every record against its row, field by field."""
    with duckdb.connect(str(PROJECT / "warehouse.duckdb"), read_only=True) as warehouse:
        warehouse.execute("USE music_shop" if _has_schema(warehouse, "music_shop") else "USE main")
        profiles = _rows(warehouse, CONTACTS)
        vips = _rows(warehouse, "SELECT * FROM high_value_customers WHERE marketing_consent")
        scores = _rows(warehouse, "SELECT * FROM customer_scores")
    _compare("contacts", {str(row["email"]): row for row in profiles}, _contacts(url))
    _compare("webhook records", {str(row["customer_id"]): row for row in vips}, _hook(url))
    with sqlite3.connect(PROJECT / "ops.sqlite") as connection:
        connection.row_factory = sqlite3.Row
        table = {str(row["customer_id"]): dict(row) for row in connection.execute("SELECT * FROM customer_scores")}
    _compare("rows of ops", {str(row["customer_id"]): row for row in scores}, table)


def _compare(what: str, wanted: Mapping[str, Mapping[str, object]], found: Mapping[str, Mapping[str, object]]) -> None:
    expect(wanted.keys() == found.keys(), f"{len(found)} {what}, one for each of {len(wanted)} rows")
    fields = 0
    for key, row in wanted.items():
        for name, value in row.items():
            if name in found[key]:
                fields += 1
                if spelled(value) != spelled(found[key][name]):
                    raise DisagreementError(f"{what}, {key}, {name}: {found[key][name]!r}, the model has {value!r}")
    expect(fields > len(wanted), f"{fields} fields of {what} equal the model")


def spelled(value: object) -> str:
    """One spelling for values that mean the same: 1, 1.0, Decimal('1.00') and '1' are equal."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    try:
        return str(Decimal(str(value)).normalize() + 0)
    except ArithmeticError:
        return str(value)


def _contacts(url: str) -> dict[str, dict[str, object]]:
    return {str(record["email"]): record for record in _records(url, "contacts")}


def _hook(url: str) -> dict[str, dict[str, object]]:
    found = _records(url, "hooks/vip")
    payloads = [record.get("fields", record) for record in found]
    return {str(p["customer_id"]): p for p in payloads if isinstance(p, dict)}


def _records(url: str, name: str) -> list[dict[str, object]]:
    records: list[dict[str, object]] = []
    while True:
        page = get(f"{url}/_sandbox/state?object={name}&offset={len(records)}&limit={PAGE}")["records"].get(name, [])
        records += [row.get("properties", row.get("values", row)) for row in page]
        if not page:
            return records


def _rows(warehouse: duckdb.DuckDBPyConnection, statement: str) -> list[dict[str, object]]:
    answer = warehouse.execute(statement)
    names = [column[0] for column in answer.description or ()]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def _has_schema(warehouse: duckdb.DuckDBPyConnection, name: str) -> bool:
    return bool(warehouse.execute("SELECT 1 FROM duckdb_schemas() WHERE schema_name = ?", [name]).fetchall())


def requests(url: str) -> int:
    """Every request that the sandbox ever got from a destination."""
    return int(get(f"{url}/_sandbox/counts")["total"])


def rows_written(url: str) -> int:
    """Every row that was ever written to the sandbox."""
    return int(get(f"{url}/_sandbox/counts")["rows_written"])


def get(url: str) -> Any:
    """Read JSON."""
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - our own sandbox
        return json.load(answer)


def dbt(*arguments: str) -> None:
    """Run dbt in the example project."""
    _call("dbt", *arguments)


def activate(*arguments: str) -> None:
    """Run dbt-activate in the example project."""
    _call("dbt-activate", *arguments)


def _call(name: str, *arguments: str) -> None:
    print(f"$ {name} {' '.join(arguments)}", flush=True)
    subprocess.run([str(PROGRAMS / name), *arguments, "--profiles-dir", "."], cwd=PROJECT, check=True)


def say(text: str) -> None:
    """A heading."""
    print(f"\n── {text} ".ljust(100, "─"), flush=True)


def expect(holds: object, claim: str) -> None:
    """Say that *claim* was checked.

    Raises:
        DisagreementError: It does not hold.
    """
    if not holds:
        raise DisagreementError(f"not so: {claim}")
    print(f"  ✓ {claim}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
