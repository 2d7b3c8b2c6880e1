"""YAML is read strictly, and never breaks the reader."""

import string

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dbt_activate.errors import ConfigError
from dbt_activate.project.yaml_text import read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("yes", "yes"),
        ("on", "on"),
        ("True", "True"),
        ("true", True),
        ("false", False),
        ("010", "010"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2026-01-01", "2026-01-01"),
        (".inf", ".inf"),
        ("1e3", "1e3"),
        ("12", 12),
        ("-7", -7),
        ("0.5", 0.5),
        ("'12'", "12"),
        ('"true"', "true"),
        ("", None),
        ("~", None),
        ("null", None),
        ("'null'", "null"),
        ("9" * 30, "9" * 30),
    ],
)
def test_only_what_looks_like_a_value_to_everybody_is_one(text: str, value: object) -> None:
    assert read_yaml(f"a: {text}".encode(), "f.yml").value == {"a": value}


def test_keys_are_text_whatever_they_look_like() -> None:
    assert read_yaml(b"1: a\ntrue: b\nnull: c\n", "f.yml").value == {"1": "a", "true": "b", "null": "c"}


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert read_yaml(b"\xef\xbb\xbfa: 1\n", "f.yml").value == {"a": 1}


def test_every_doubled_key_of_a_file_is_told() -> None:
    with pytest.raises(ConfigError) as caught:
        read_yaml(b"a: 1\nb: {c: 1, c: 2}\na: 2\n", "f.yml")
    assert [str(problem) for problem in caught.value.problems] == [
        "f.yml, b.c: the key stands twice, on lines 2 and 2; keep one of them",
        "f.yml, a: the key stands twice, on lines 1 and 3; keep one of them",
    ]


def test_a_flood_of_faults_ends_the_reading() -> None:
    with pytest.raises(ConfigError) as caught:
        read_yaml(b"a: 1\n" * 10_000, "f.yml")
    assert len(caught.value.problems) == 25


def test_a_billion_laughs_are_not_heard() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 12))]
    with pytest.raises(ConfigError):
        read_yaml("\n".join(lines).encode(), "f.yml")


def test_lines_are_kept_for_messages() -> None:
    document = read_yaml(b"a:\n  b:\n    - 1\n    - c: 2\n", "f.yml")
    assert document.lines["a", "b", "1", "c"] == 4


def read_or_refused(content: bytes) -> bool:
    """Whether the reader gave a value, or problems; anything else that it raises gets through."""
    try:
        return read_yaml(content, "f.yml") is not None
    except ConfigError as error:
        return len(error.problems) > 0


@given(st.text(alphabet=string.printable, max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert read_or_refused(text.encode())


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    assert read_or_refused(content)


names = st.text(alphabet=string.ascii_letters + "_", min_size=1, max_size=8)
trees = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.text(max_size=20).filter(lambda text: text.isprintable()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(names, trees, max_size=5))
def test_what_a_sound_writer_wrote_is_read_back(value: dict[str, object]) -> None:
    class NoAliases(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    text = yaml.dump(value, Dumper=NoAliases, allow_unicode=True)
    assert read_yaml(text.encode(), "f.yml").value == value
