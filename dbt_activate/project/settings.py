"""Renders and checks the settings of one connection; its secrets come out as such."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dbt_activate.project.addresses import address_problems
from dbt_activate.project.faults import Faults
from dbt_activate.project.rendering import Rendered, Surroundings, render_text
from dbt_activate.values.secret import Secret
from dbt_activate.values.sync import Location

_CREDENTIAL = re.compile(r"auth|cookie|credential|key|passw|secret|signature|token", re.IGNORECASE)
_URL_WITHOUT_PASSWORD = re.compile(r"(?!https?:)[a-z][a-z0-9+]*://([^/:@\s?]+@)?[^/@\s?]*(/[^?@\s]*)?", re.IGNORECASE)
_BY_ANY_NAME = "x-by-any-name"
_REMEDY = "write \"{{ env_var('NAME') }}\""


@dataclass(frozen=True, slots=True)
class SettingsReader:
    """Reads settings by the JSON Schema *rules*. *literals* tells whether secrets may stand in the file."""

    rules: Mapping[str, Any]
    surroundings: Surroundings
    literals: bool = False

    def read(self, raw: Mapping[str, Any], at: Location) -> dict[str, Any]:
        """Render *raw*, which stands at *at*, check it, and hide its secrets.

        Raises:
            ConfigError: With everything that is wrong in it.
        """
        from dbt_activate.project.shapes import Shape

        faults = Faults()
        rendered = self._rendered(dict(raw), self.rules, at, faults)
        if not faults:
            faults.extend(Shape(self.rules).problems(rendered, at) or address_problems(rendered, at))
        faults.settle()
        hidden: dict[str, Any] = self._hidden(rendered, self.rules)
        return hidden

    def _rendered(self, value: Any, rules: Any, at: Location, faults: Faults) -> Any:
        if isinstance(value, dict):
            return {key: self._rendered(one, self._below(rules, key), at.at(key), faults) for key, one in value.items()}
        if isinstance(value, list):
            rules = self._below(rules, None)
            return [self._rendered(one, rules, at.at(str(index)), faults) for index, one in enumerate(value)]
        if not isinstance(value, str):
            return value
        rendered = faults.attempt(render_text, value, self.surroundings, at)
        if rendered is None:
            return value
        if self._secret(rules) and not _harmless(rendered, rules, at):
            self._check_secret(rendered, at, faults)
        return _coerced(rendered, self._resolved(rules))

    def _check_secret(self, rendered: Rendered, at: Location, faults: Faults) -> None:
        if self.literals:
            return
        if rendered.from_environment and not str(rendered.value).strip():
            faults.add(at, "the environment variable of this secret is empty", "set it")
        if rendered.literal.strip() and not rendered.from_environment:
            faults.add(at, "this secret does not come from the environment", _REMEDY)

    def _hidden(self, value: Any, rules: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._hidden(one, self._below(rules, key)) for key, one in value.items()}
        if isinstance(value, list):
            return [self._hidden(one, self._below(rules, None)) for one in value]
        return Secret(value) if isinstance(value, str) and self._secret(rules) else value

    def _secret(self, rules: Any) -> bool:
        resolved = self._resolved(rules)
        return resolved.get("x-secret") is True or any(self._secret(one) for one in _branches(resolved))

    def _below(self, rules: Any, key: str | None) -> Any:
        """The rules for the value at *key* of a mapping, or of a list's items where *key* is None."""
        resolved = self._resolved(rules)
        if key is None:
            found = resolved.get("items")
        else:
            found = resolved.get("properties", {}).get(key, resolved.get("additionalProperties"))
        if isinstance(found, dict) and found:
            named = key is None or key in resolved.get("properties", {})
            return found if named else {**found, _BY_ANY_NAME: True}
        return next((below for one in _branches(resolved) if (below := self._below(one, key))), {})

    def _resolved(self, rules: Any) -> Mapping[str, Any]:
        while isinstance(rules, dict) and "$ref" in rules:
            name = str(rules["$ref"]).removeprefix("#/$defs/")
            rules = {**self.rules.get("$defs", {}).get(name, {}), **{k: v for k, v in rules.items() if k != "$ref"}}
        return rules if isinstance(rules, dict) else {}


def _harmless(rendered: Rendered, rules: Mapping[str, Any], at: Location) -> bool:
    """Whether a value that is hidden as a secret may stand in the file all the same: it cannot be one."""
    # Of settings that users name themselves, such as headers, only some are credentials.
    if rules.get(_BY_ANY_NAME) and not rendered.template:
        return _CREDENTIAL.search(at.path[-1]) is None
    return _URL_WITHOUT_PASSWORD.fullmatch(rendered.literal) is not None


def _branches(rules: Mapping[str, Any]) -> list[Any]:
    return [one for word in ("anyOf", "oneOf", "allOf") for one in rules.get(word, ())]


def _coerced(rendered: Rendered, rules: Mapping[str, Any]) -> Any:
    """Text that a template made becomes what the schema asks for, as an environment variable has no type."""
    value = rendered.value
    if not rendered.template or not isinstance(value, str):
        return value
    wanted = rules.get("type")
    types = wanted if isinstance(wanted, list) else [wanted]
    for kind, (pattern, made) in _MADE.items():
        if kind in types and "string" not in types and re.fullmatch(pattern, value, re.IGNORECASE):
            return made(value)
    return value


_MADE: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "boolean": ("true|false", lambda text: text.lower() == "true"),
    "integer": (r"-?\d{1,18}", int),
    "number": (r"-?\d{1,18}(\.\d+)?", float),
}
