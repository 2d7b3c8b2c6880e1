"""What looks like a secret, and what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_activate.project.tokens import token_like, tokens_in
from dbt_activate.values.sync import Location

JSON_WEB_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("pat-na1-11aa22bb-33cc", "a HubSpot token"),
        ("sk_live_abcDEF123", "a Stripe key"),
        ("rk_test_abc", "a Stripe key"),
        ("xoxb-123-abc", "a Slack token"),
        ("ghp_abcdefghij", "a GitHub token"),
        ("github_pat_11ABC", "a GitHub token"),
        ("glpat-abcdefgh", "a GitLab token"),
        ("AKIAIOSFODNN7EXAMPLE", "an AWS key"),
        (JSON_WEB_TOKEN, "a JSON web token"),
        ("SG.abcdefgh.ijkl", "a SendGrid key"),
        ("-----BEGIN RSA PRIVATE KEY-----", "a private key"),
        ("Bearer abcdef123456", "a bearer token"),
        ("Basic dXNlcjpwYXNzd29yZA==", "basic credentials"),
        ("postgresql://me:hunter2@db.example.com/x", "a password in a URL"),
        ("plan = 'sk_live_abc'", "a Stripe key"),
        ("9f86d081884c7d659a2feaa0c55ad015", "a token"),
        ("wJa1rXUtnFEMIK7MDENGbPxRfiCYZz9", "a token"),
    ],
)
def test_secrets_are_told_by_how_they_look(text: str, kind: str) -> None:
    assert token_like(text) == kind


@pytest.mark.parametrize(
    "text",
    [
        "customer_scores",
        "first_name || ' ' || last_name",
        "Account_Lifetime_Value_2024_Forecast__c",
        "CustomerLifetimeValueScore2024ForMarketing",
        "8a7f1c2e-11d0-4b6a-9a51-0c6b4c3b8f3e",
        "https://ops.example.com/v1/customers",
        "postgresql://root@127.0.0.1:5432/test",
        "postgresql://postgres:postgres@localhost/dev",
        "Bearer {{ env_var('DBT_ENV_SECRET_OPS') }}",
        "{{ env_var('DBT_ENV_SECRET_HUBSPOT_PRIVATE_APP_TOKEN') }}",
        "case when churn_score > 0.5 then 'at risk' else 'fine' end",
        "patient-name",
        "growth@example.com",
    ],
)
def test_what_people_write_is_no_secret(text: str) -> None:
    assert token_like(text) is None


def test_a_secret_is_found_where_it_stands() -> None:
    tree = {"a": ["x", {"b": "ghp_abcdefghij"}], "c": 3, "d": None}
    assert list(tokens_in(tree, Location("f.yml"))) == [(Location("f.yml", ("a", "1", "b")), "a GitHub token")]


@given(
    st.lists(
        st.sampled_from(["customer", "score", "email", "last", "order", "count", "country"]), min_size=1, max_size=6
    )
)
def test_words_put_together_are_no_secret(words: list[str]) -> None:
    assert token_like("_".join(words)) is None
    assert token_like("".join(word.title() for word in words)) is None
