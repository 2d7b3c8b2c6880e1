"""The page, in a real browser."""

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from dbt_activate.sandbox.options import SandboxOptions
from dbt_activate.sandbox.server import RunningSandbox

if TYPE_CHECKING:
    from playwright.sync_api import Page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
HOOKS = "/hooks/ops"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome on the PATH"),
]


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSandbox]:
    with RunningSandbox(SandboxOptions(rate_limit=0)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def opened() -> "Iterator[Page]":
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        yield browser.new_page(viewport={"width": 1440, "height": 900})
        browser.close()


@pytest.fixture
def client(running: RunningSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, headers={"Authorization": "Bearer x"}) as client:
        client.post("/_sandbox/reset")
        yield client


@pytest.fixture
def page(running: RunningSandbox, client: httpx.Client, opened: "Page") -> "Page":
    opened.goto("about:blank")
    opened.goto(running.url)
    opened.get_by_text("No records yet").wait_for()
    return opened


def create(client: httpx.Client, *rows: dict[str, str]) -> None:
    inputs = [{"properties": row, "objectWriteTraceId": str(number)} for number, row in enumerate(rows)]
    client.post("/crm/v3/objects/contacts/batch/create", json={"inputs": inputs}).raise_for_status()


def test_a_hostile_value_is_shown_as_text_and_does_nothing(page: "Page", client: httpx.Client) -> None:
    create(client, {"email": "a@example.com", "firstname": HOSTILE})
    client.patch("/crm/v3/objects/contacts/1001", json={"properties": {"lastname": HOSTILE}})
    client.post(f"/hooks/{HOSTILE.replace('/', '')}", json={"id": HOSTILE, HOSTILE: HOSTILE})
    page.locator("#table td", has_text=HOSTILE).first.wait_for()
    page.locator("#changes ins", has_text=HOSTILE).first.wait_for()
    page.locator("#objects button", has_text="onerror").click()
    page.locator("#table th", has_text=HOSTILE).wait_for()
    assert page.locator("img").count() == 0
    assert page.title() == "dbt-activate sandbox"


def test_markup_that_did_get_in_could_not_run_a_script(page: "Page") -> None:
    page.evaluate("markup => { document.body.insertAdjacentHTML('beforeend', markup); }", HOSTILE)
    page.locator("img").wait_for(state="attached")
    page.wait_for_function("document.querySelector('img').complete")
    assert page.title() == "dbt-activate sandbox"


def test_records_appear_by_themselves_and_can_be_searched_and_paged(page: "Page", client: httpx.Client) -> None:
    create(client, *[{"email": f"c{number}@example.com", "city": "Lyon"} for number in range(60)])
    page.get_by_text("1 to 50 of 60").wait_for()
    page.get_by_role("button", name="Next").click()
    page.get_by_text("51 to 60 of 60").wait_for()
    page.get_by_label("Search records").fill("C59@")
    page.get_by_text("1 found").wait_for()
    assert page.locator("#table tbody tr").count() == 1
    assert page.locator("#n-rows").text_content() == "60"


def test_the_last_change_is_shown_with_old_and_new_value(page: "Page", client: httpx.Client) -> None:
    create(client, {"email": "a@example.com", "city": "Lyon"})
    client.patch("/crm/v3/objects/contacts/1001", json={"properties": {"city": "Oslo"}})
    change = page.locator("#changes li", has_text="Oslo")
    change.wait_for()
    assert change.locator("del").text_content() == "Lyon"
    assert change.locator("ins").text_content() == "Oslo"
    assert change.locator(".field").text_content() == "city"


def test_a_fault_switch_makes_requests_fail_until_it_is_off(page: "Page", client: httpx.Client) -> None:
    page.get_by_label("500 before it is applied").check()
    page.get_by_text("1 on").wait_for()
    assert client.post(HOOKS, json={"id": 1}).status_code == 500
    page.locator("#hits-error_before", has_text="1 hit").wait_for()
    page.get_by_label("500 before it is applied").uncheck()
    page.wait_for_function("document.getElementById('faults-on').textContent === ''")
    assert client.post(HOOKS, json={"id": 1}).status_code == 200


def test_a_fault_takes_its_settings_from_the_fields_beside_it(page: "Page", client: httpx.Client) -> None:
    page.locator("#fault-path").fill("/hooks")
    page.locator("#fault-count").fill("1")
    page.locator("#too_many_requests-retry_after").fill("77")
    page.locator("#fault-too_many_requests").check()
    page.get_by_text("1 on").wait_for()
    answers = [client.post(HOOKS, json={"id": 1}) for _ in range(2)]
    assert [(answer.status_code, answer.headers.get("Retry-After")) for answer in answers] == [(429, "77"), (200, None)]


def test_a_request_is_shown_as_it_came(page: "Page", client: httpx.Client) -> None:
    client.post(HOOKS, json={"id": "abc"})
    page.locator("#requests button", has_text=HOOKS).click()
    page.locator("#raw-text", has_text='"id": "abc"').wait_for()
    assert "Bearer" not in (page.locator("#raw-text").text_content() or "")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_on_the_page_complains_and_nothing_is_loaded_from_elsewhere(
    running: RunningSandbox, client: httpx.Client, opened: "Page", scheme: str
) -> None:
    heard: list[str] = []
    opened.on("console", lambda message: heard.append(message.text))
    opened.on("pageerror", lambda error: heard.append(str(error)))
    opened.on(
        "request", lambda request: None if request.url.startswith((running.url, "data:")) else heard.append(request.url)
    )
    opened.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    opened.goto(running.url)
    create(client, {"email": "a@example.com"})
    opened.locator("#table td", has_text="a@example.com").wait_for()
    assert heard == []
