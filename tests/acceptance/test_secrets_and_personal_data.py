"""Secrets stay in the environment; personal data is shown to nobody who did not ask for it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.acceptance.shops import PEOPLE, Done, Shop

TOKEN = "pat-na1-9f27c3f1-4b1e-4b0e-9c55-0d3e7a6b8c11"
HOOK = "whsec_51f0c4e2a9d84d70b3"
PASSWORD = "correct-horse-battery-staple-77"
SECRETS = (TOKEN, HOOK, PASSWORD)
EMAILS = [row[0] for row in PEOPLE.values()]


class _Echo(BaseHTTPRequestHandler):
    """Refuses everything, and repeats the credentials and the body in its answer, as some do."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        told = json.dumps({"error": f"bad token {self.headers['Authorization']} for {body}"}).encode()
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Content-Length", str(len(told)))
        self.send_header("X-Request-Id", self.headers["Authorization"])
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _echo(status: int) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        server.status = status  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _real_hubspot(shop: Shop) -> None:
    """Make `crm` a HubSpot account with a token, which happens to live in the sandbox."""
    path = shop.directory / "destinations.yml"
    output = (
        "{type: hubspot, token: \"{{ env_var('DBT_ENV_SECRET_TOKEN') }}\","
        " base_url: \"{{ env_var('SANDBOX_URL') }}\", allow_private_addresses: true}"
    )
    kept = path.read_text().partition("crm_b:")
    path.write_text(f"crm:\n  outputs:\n    dev: {output}\n    pg: {output}\ncrm_b:{kept[2]}")


def _everything_written(shop: Shop, done: list[Done]) -> str:
    """All that was said and stored: screens, files of the project, the ledger, the warehouse's own bytes."""
    texts = [one.out + one.err for one in done]
    texts += [path.read_bytes().decode("latin-1") for path in shop.directory.rglob("*") if path.is_file()]
    tables = shop.query(f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{shop.ledger_schema}'")
    assert tables, "there must be a ledger to look at"
    texts += [str(shop.query(f'SELECT * FROM "{shop.ledger_schema}"."{name}"')) for (name,) in tables]
    return "\n".join(texts)


@pytest.mark.slow
@pytest.mark.parametrize("status", [401, 422, 500])
def test_no_secret_is_ever_said_or_stored(each_shop: Shop, status: int, tmp_path: Path) -> None:
    """Not when all is well, not when the destination repeats it in an error, not with --debug."""
    shop = each_shop
    shop.give(DBT_ENV_SECRET_TOKEN=TOKEN, HOOK_TOKEN=HOOK, DBT_ENV_SECRET_PG_PASSWORD=PASSWORD)
    _real_hubspot(shop)
    done = [
        shop.run("sync", "-s", "crm_people", "--debug", "--log-level", "debug"),
        shop.run("plan", "-s", "tag:crm", "--show", "5", "--unmask", "--out", str(tmp_path / "plan.json")),
        shop.run("list", "--output", "json"),
        shop.run("debug"),
    ]
    assert done[0].code == 0, done[0].err
    with _echo(status) as url:
        shop.replace("destinations.yml", "url: \"{{ env_var('SANDBOX_URL') }}/hooks/{object}\"", f'url: "{url}"')
        done.append(shop.run("sync", "-s", "hook_appended", "--debug", "--log-format", "json", "--log-level", "debug"))
    assert done[-1].code == 1, done[-1].err
    done += [shop.run("runs", "--output", "json"), shop.run("rejects", "--output", "json", "--show-values", "--unmask")]
    (shop.directory / "plan.json").write_text((tmp_path / "plan.json").read_text())
    (shop.directory / "destinations.yml").write_text("crm: {outputs: {dev: {type: hubspot, token: 5}}}")
    done.append(shop.run("sync", "--debug"))
    assert done[-1].code == 2

    written = _everything_written(shop, done)

    assert [secret for secret in SECRETS if secret in written] == []


@pytest.mark.slow
def test_messages_and_artifacts_hold_no_values_of_rows(shop: Shop) -> None:
    """An error that repeats the whole body leaves no e-mail on the screen, in the log, or in a reject's message."""
    with _echo(422) as url:
        shop.replace("destinations.yml", "url: \"{{ env_var('SANDBOX_URL') }}/hooks/{object}\"", f'url: "{url}"')
        done = shop.run("sync", "-s", "hook_appended", "--log-level", "debug")
    assert done.code == 1
    listed = shop.run("rejects", "--output", "json")
    assert len(listed.json["rejects"]) == 5
    artifacts = [path.read_text() for path in (shop.directory / "target/activate").iterdir()]
    assert len(artifacts) == 2

    said = "\n".join([done.out, done.err, listed.out, *artifacts])

    assert [email for email in EMAILS if email in said] == []


@pytest.mark.slow
def test_personal_data_is_masked_unless_it_is_asked_for(each_shop: Shop) -> None:
    """`plan --show` and `row`: e-mails are tagged, names are not."""
    shop = each_shop
    masked = shop.run("plan", "-s", "crm_people", "--show", "5")
    open_ = shop.run("plan", "-s", "crm_people", "--show", "5", "--unmask")
    assert [email for email in EMAILS if email in masked.out] == []
    assert "Ann" in masked.out
    assert all(email in open_.out for email in EMAILS)
    for output in ("json", "markdown"):
        told = shop.run("plan", "-s", "crm_people", "--show", "5", "--output", output).out
        assert "ann@example.com" not in told
        assert "Ann" in told

    shop.sync("crm_people")
    row = shop.run("row", "crm_people", "1", "--output", "json")
    assert "ann@example.com" not in row.out
    assert "ann@example.com" in shop.run("row", "crm_people", "1", "--output", "json", "--unmask").out
