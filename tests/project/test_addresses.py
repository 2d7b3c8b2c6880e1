"""Host and port of an address are looked at before anything is sent."""

import pytest

from dbt_activate.project.addresses import address_problems, is_loopback
from dbt_activate.values.sync import Location

AT = Location("destinations.yml", ("crm",))


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://[::1", "the host of this URL cannot be read"),
        ("http://:80/x", "the host of this URL is no name and no address"),
        ("https://a..example", "the host of this URL is no name and no address"),
        (f"https://{'a' * 64}.example", "the host of this URL is no name and no address"),
        ("https://a.example:0", "the port of this URL is no number from 1 to 65535"),
        ("https://a.example:65536", "the port of this URL is no number from 1 to 65535"),
        ("https://a.example:http/x", "the port of this URL is no number from 1 to 65535"),
    ],
)
@pytest.mark.parametrize("name", ["url", "base_url"])
def test_an_address_that_leads_nowhere_is_told_of_without_its_text(name: str, url: str, fault: str) -> None:
    remedy = "write a URL such as https://api.example.com:8443/v1"
    settings = {"type": "http", "operations": {"delete": {name: url}}}

    told = [str(problem) for problem in address_problems(settings, AT)]

    assert told == [f"destinations.yml, crm.operations.delete.{name}: {fault}; {remedy}"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8765",
        "http://[::1]:65535/x",
        "https://bücher.example/v1/{object}",
        "https://a_b.example.:1",
        "postgresql://user@/db?host=/run",
        "host=db port=99999999",
    ],
)
def test_an_address_that_may_lead_somewhere_and_what_is_no_web_address_pass(url: str) -> None:
    assert address_problems({"url": url, "other": "http://[::1"}, AT) == ()


@pytest.mark.parametrize(
    ("url", "loops"),
    [
        ("http://localhost:1", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:8765", True),
        ("http://[::1", False),
        ("http://127.0.0.1.example", False),
        ("", False),
    ],
)
def test_this_machine_is_told_from_others(url: str, loops: bool) -> None:
    assert is_loopback(url) is loops
