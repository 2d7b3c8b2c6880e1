"""Rules of a plug-in's own schema are worded, too, and never with a secret in the words."""

from typing import Any

import pytest

from dbt_activate.project.shapes import Shape
from dbt_activate.values.sync import Location

AT = Location("f.yml", ("a",))


@pytest.mark.parametrize(
    ("schema", "value", "told"),
    [
        ({"maximum": 3}, 4, "f.yml, a: 4 is too large; the most is 3"),
        ({"minItems": 2}, [1], "f.yml, a: needs at least 2"),
        ({"type": ["string", "null"]}, 3, "f.yml, a: needs text or nothing, not 3"),
        (
            {"anyOf": [{"type": "integer"}, {"type": "boolean"}]},
            "x",
            "f.yml, a: needs a whole number or true or false, not 'x'",
        ),
        ({"oneOf": [{"type": "string", "minLength": 1}, {"type": "integer"}]}, "", "f.yml, a: is empty"),
        ({"multipleOf": 2}, 3, "f.yml, a: 3 breaks the rule multipleOf: 2"),
        ({"pattern": "^x"}, "y", "f.yml, a: 'y' does not fit; it must match ^x"),
        ({"enum": ["x"], "x-secret": True}, "sesame", "f.yml, a: this secret is not known here; write one of: x"),
        ({"pattern": "^x", "x-secret": True}, "sesame", "f.yml, a: this secret does not fit; it must match ^x"),
        ({"maxLength": 2, "x-secret": True}, "sesame", "f.yml, a: this secret has 6 characters; the most is 2"),
    ],
)
def test_a_rule_is_told_in_words(schema: dict[str, Any], value: object, told: str) -> None:

    assert [str(problem) for problem in Shape(schema).problems(value, AT)] == [told]


def test_a_sound_value_has_no_problems() -> None:
    assert Shape({"type": "object"}).problems({}, AT) == ()
