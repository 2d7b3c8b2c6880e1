"""Jinja as far as configuration has it: ``env_var()`` and ``var()``; nothing else is in reach of a template."""

import re
from ast import literal_eval
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from dbt_activate.errors import ConfigError, Problem
from dbt_activate.values.sync import Location

if TYPE_CHECKING:
    from jinja2.environment import Environment
    from jinja2.nodes import Node

_MISSING = object()
_MOST_ARGUMENTS = 2


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What templates can ask for: the environment, and the variables of the command line and of the project."""

    environ: Mapping[str, str] = field(repr=False)
    variables: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rendered:
    """What became of one text.

    Attributes:
        value: Text, or whatever a lone ``var()`` holds.
        template: Whether there was anything to render.
        from_environment: Whether an environment variable, not its default, is in *value*.
        literal: The text that stands in the file itself, outside of ``env_var()``, with ``var()`` and defaults.
    """

    value: object = field(repr=False)
    template: bool = False
    from_environment: bool = False
    literal: str = field(default="", repr=False)


def render_text(text: str, surroundings: Surroundings, at: Location) -> Rendered:
    """Fill the ``env_var()`` and ``var()`` calls of *text* in; whatever else is Jinja in it is refused by name.

    Raises:
        ConfigError: A variable is not set, or the template uses anything else.
    """
    if not any(mark in text for mark in ("{{", "{%", "{#")):
        return Rendered(text, literal=text)
    if "{#" in text:
        raise _foreign("a comment", at)
    parts = [_filled(node, surroundings, at) for node in _expressions(text, at)]
    values = [part.value for part in parts]
    whole = values[0] if len(values) == 1 else "".join("" if value is None else str(value) for value in values)
    return Rendered(
        whole,
        template=True,
        from_environment=any(part.from_environment for part in parts),
        literal="".join(part.literal for part in parts),
    )


def _expressions(text: str, at: Location) -> Iterable["Node"]:
    from jinja2 import Environment, TemplateSyntaxError

    try:
        body = Environment(autoescape=False).parse(text).body  # noqa: S701 - parsed only; nothing is rendered by it
    except (TemplateSyntaxError, RecursionError) as error:
        raise _refused(at, f"the template is broken: {_first_line(error)}") from error
    for node in body:
        yield from _parts(node, at)


def _parts(node: "Node", at: Location) -> Iterable["Node"]:
    from jinja2.nodes import Output

    if not isinstance(node, Output):
        raise _foreign(f"{{% {type(node).__name__.lower()} %}}", at)
    return node.nodes


def _filled(node: "Node", surroundings: Surroundings, at: Location) -> Rendered:
    from jinja2 import nodes

    if isinstance(node, nodes.TemplateData):
        return Rendered(node.data, literal=node.data)
    if not isinstance(node, nodes.Call) or not isinstance(node.node, nodes.Name):
        raise _foreign(_spelled(node), at)
    ask = _CALLS.get(node.node.name)
    if ask is None:
        raise _foreign(f"{node.node.name}()", at)
    name, default = _arguments(node, at)
    return ask(surroundings, name, default, at)


def _arguments(call: Any, at: Location) -> tuple[str, object]:
    from jinja2 import nodes

    given = [*call.args, *(keyword.value for keyword in call.kwargs)]
    if (
        not call.args
        or len(given) > _MOST_ARGUMENTS
        or not all(isinstance(one, nodes.Const) for one in given)
        or call.dyn_args
        or call.dyn_kwargs
    ):
        raise _refused(at, f"{call.node.name}() takes a name and a default, both written out in quotes")
    values = [one.value for one in given]
    return str(values[0]), values[1] if len(values) > 1 else _MISSING


def _from_environment(surroundings: Surroundings, name: str, default: object, at: Location) -> Rendered:
    if name in surroundings.environ:
        return Rendered(surroundings.environ[name], from_environment=True)
    if default is _MISSING:
        raise _refused(at, f"the environment variable {name} is not set", "set it, or give env_var() a default")
    return Rendered(default, literal=str(default or ""))


def _from_variables(surroundings: Surroundings, name: str, default: object, at: Location) -> Rendered:
    value = surroundings.variables.get(name, default)
    if value is _MISSING:
        raise _refused(at, f"the variable {name} is not set", "give it by --vars or under vars: in dbt_project.yml")
    return Rendered(value, literal=str(value))


_CALLS: Mapping[str, Callable[[Surroundings, str, object, Location], Rendered]] = {
    "env_var": _from_environment,
    "var": _from_variables,
}


def _spelled(node: "Node") -> str:
    name = getattr(node, "name", None)
    return f"the filter {name}" if type(node).__name__ == "Filter" else str(name or type(node).__name__.lower())


def _foreign(what: str, at: Location) -> ConfigError:
    return _refused(at, f"{what} is not known here", "env_var() and var() are the only Jinja in this file")


def _refused(at: Location, fault: str, remedy: str = "") -> ConfigError:
    return ConfigError(Problem(str(at), fault, remedy))


def render_native(value: object, surroundings: Surroundings, at: Location) -> object:
    """Render *value*, a tree, as dbt renders a profile: with filters, and a lone expression keeps its type.

    Raises:
        ConfigError: With every place in the tree that cannot be rendered.
    """
    problems: list[Problem] = []
    rendered = _native(value, surroundings, at, problems)
    if problems:
        raise ConfigError(problems)
    return rendered


def _native(value: object, surroundings: Surroundings, at: Location, problems: list[Problem]) -> object:
    if isinstance(value, dict):
        return {key: _native(item, surroundings, at.at(str(key)), problems) for key, item in value.items()}
    if isinstance(value, list):
        return [_native(item, surroundings, at.at(str(index)), problems) for index, item in enumerate(value)]
    if not isinstance(value, str) or "{" not in value:
        return value
    try:
        return _evaluated(value, surroundings, at)
    except ConfigError as error:
        problems.extend(error.problems)
        return None


def _evaluated(text: str, surroundings: Surroundings, at: Location) -> object:
    from jinja2 import TemplateError

    calls = {name: _asking(name, surroundings, at) for name in _CALLS}
    try:
        return _environment().from_string(text, globals=calls).render()
    except (TemplateError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise _refused(at, f"the template cannot be rendered: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error)).strip()[:200] or type(error).__name__


def _asking(function: str, surroundings: Surroundings, at: Location) -> Callable[..., object]:
    def call(name: str, default: object = _MISSING) -> object:
        return _CALLS[function](surroundings, name, default, at).value

    call.__qualname__ = function  # what Python's own message on wrong arguments calls it
    return call


def _environment() -> "Environment":
    from jinja2 import StrictUndefined
    from jinja2.nativetypes import NativeEnvironment, NativeTemplate
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Sandbox(ImmutableSandboxedEnvironment, NativeEnvironment):
        concat = staticmethod(_joined)

    class Template(NativeTemplate):
        environment_class = Sandbox

    Sandbox.template_class = Template
    environment = Sandbox(undefined=StrictUndefined)
    environment.globals.clear()
    environment.filters |= {"as_text": str, "as_native": _as_native, "as_bool": _as_bool, "as_number": _as_number}
    return environment


def _joined(values: Iterable[object]) -> object:
    from jinja2 import Undefined

    iterator = iter(values)
    head = list(islice(iterator, 2))
    if len(head) == 1 and isinstance(head[0], Undefined):
        str(head[0])  # raises: a lone value is handed on as it is, so that nothing else would notice
    return head[0] if len(head) == 1 else "".join(str(value) for value in (*head, *iterator))


def _as_native(value: object) -> object:
    try:
        return literal_eval(str(value))
    except (ValueError, SyntaxError):
        return value


def _as_bool(value: object) -> bool:
    native = _as_native(value)
    if not isinstance(native, bool):
        raise TypeError("as_bool was given what is neither True nor False")
    return native


def _as_number(value: object) -> int | float:
    native = _as_native(value)
    if isinstance(native, bool) or not isinstance(native, int | float):
        raise TypeError("as_number was given what is no number")
    return native
