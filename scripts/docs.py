"""Write docs/reference/*.md from what the code says of itself: `docs.py`. `docs.py --check` only compares.

What the code cannot say is in docs/words.toml; a name without words is refused.
"""

import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import msgspec

from dbt_activate import errors
from dbt_activate.cli import COMMANDS, cli
from dbt_activate.cli.catalog import published
from dbt_activate.contracts import Destination
from dbt_activate.ledger.tables import LEDGER, TABLES, VERSION
from dbt_activate.mapping.transforms import TRANSFORMS
from dbt_activate.project.schemas import schema
from dbt_activate.sandbox.faults import DESCRIPTIONS, Fault
from dbt_activate.testing.fakes import make_tools
from dbt_activate.values.destination import Connection, DeliveryClass, ObjectSpec
from dbt_activate.values.outcome import Outcome
from dbt_activate.values.sync import OPERATIONS, ChangeKind, SyncMode

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
WORDS = ROOT / "docs" / "words.toml"
MADE = "<!-- Made by scripts/docs.py: change the code or docs/words.toml, then run it again. -->"

Part = Mapping[str, Any]
"""A part of a JSON Schema."""


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with ``--check`` say which are out of date; return the exit code."""
    pages = {name: f"{MADE}\n\n{''.join(make()).strip()}\n" for name, make in PAGES.items()}
    if "--check" in arguments:
        return _check(pages)
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
    return 0


def _check(pages: Mapping[str, str]) -> int:
    stale = [name for name, text in pages.items() if _read(REFERENCE / name) != text]
    unknown = [path.name for path in sorted(REFERENCE.glob("*.md")) if path.name not in pages]
    for name in stale:
        print(f"docs/reference/{name} is out of date: run `python scripts/docs.py`", file=sys.stderr)
    for name in unknown:
        print(f"docs/reference/{name} is made by nobody: delete it", file=sys.stderr)
    return int(bool(stale or unknown))


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


@cache
def _all_words() -> Part:
    return tomllib.loads(WORDS.read_text(encoding="utf-8"))


def words(section: str, name: str) -> str:
    """The words for *name*. Whoever adds a name says what it is."""
    found = _all_words().get(section, {}).get(name)
    if not isinstance(found, str):
        raise SystemExit(f"'{name}' has no words: add them to [{section}] of docs/words.toml")
    return found


# Markdown. Each page is a sequence of blocks, which end in an empty line.


def heading(level: int, text: str) -> str:
    """A heading."""
    return f"{'#' * level} {text}\n\n"


def paragraphs(name: str) -> str:
    """The text called *name*."""
    return f"{words('texts', name).strip()}\n\n"


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; nothing where it has no rows."""
    body = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    head = [f"| {' | '.join(headers)} |", f"|{' --- |' * len(headers)}"]
    return "\n".join([*head, *body]) + "\n\n" if body else ""


def told(headers: Sequence[str], names: Iterable[str], *sections: str) -> str:
    """A table of *names* as code, with their words in each of *sections*."""
    return table(headers, ([code(name), *(words(section, name) for section in sections)] for name in names))


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def code(text: object) -> str:
    """*text* as inline code; nothing for None and the empty text."""
    return "" if text in (None, "") else f"`{text}`"


def codes(texts: Iterable[object]) -> str:
    """Several of them, with commas."""
    return ", ".join(code(text) for text in texts)


# Commands.


def commands() -> Iterator[str]:
    """The command line, one section for each command."""
    yield heading(1, "Commands")
    yield _plain(cli.help)
    yield _options(cli.params)
    yield table(["command", "does"], ((f"[`{name}`](#{name})", line) for name, (_, line) in COMMANDS.items()))
    yield heading(2, "Options that commands share")
    shared = _shared()
    yield _options(shared)
    for name in COMMANDS:
        yield from _command(name, {_identity(param) for param in shared})


def _shared() -> list[click.Parameter]:
    """The options of ``sync`` that ``retry`` takes as well."""
    known = {_identity(param) for param in command_of("retry").params}
    return [param for param in command_of("sync").params if _identity(param) in known]


def command_of(name: str) -> click.Command:
    """The command called *name*."""
    found = cli.get_command(click.Context(cli), name)
    if found is None:
        raise SystemExit(f"there is no command '{name}'")
    return found


def _command(name: str, shared: set[object]) -> Iterator[str]:
    command = command_of(name)
    usage = " ".join(command.collect_usage_pieces(click.Context(command)))
    own = [param for param in command.params if _identity(param) not in shared]
    yield heading(2, name)
    yield f"```text\ndbt-activate {name} {usage}\n```\n\n"
    yield _plain(command.help)
    for sub in command.commands.values() if isinstance(command, click.Group) else ():
        yield _plain(f"`dbt-activate {name} {sub.name}`: {sub.help}")
    yield _options(own)
    if len(own) < len(command.params):
        selects = any("--select" in param.opts for param in command.params)
        but = "" if selects else ", but for those that select syncs"
        yield f"It also takes [the options that commands share](#options-that-commands-share){but}.\n\n"


def _identity(param: click.Parameter) -> object:
    return (*param.opts, getattr(param, "help", None))


def _options(params: Iterable[click.Parameter]) -> str:
    rows = [_option(param) for param in params if isinstance(param, click.Option) and not param.hidden]
    return table(["option", "environment", "default", "meaning"], rows)


def _option(option: click.Option) -> Sequence[str]:
    first, *others = [*option.opts, *option.secondary_opts]
    spelled = codes([f"{first} {option.metavar}" if option.metavar else first, *others])
    one_of = f" One of {codes(option.type.choices)}." if isinstance(option.type, click.Choice) else ""
    said = option.default if isinstance(option.default, str | int | float) and not option.is_flag else ""
    return spelled, code(option.envvar), code("" if said == "{}" else said), f"{option.help or ''}{one_of}"


def _plain(text: str | None) -> str:
    return "\n".join(line.strip() for line in (text or "").replace("\b", "").splitlines()).strip() + "\n\n"


# JSON Schemas.


def activate_block() -> Iterator[str]:
    """Every key of the ``activate`` block."""
    definitions = schema("activate")["$defs"]
    sync = definitions["sync"]
    field = next(kind for kind in definitions["field"]["anyOf"] if kind.get("type") == "object")
    sync["properties"]["fields"] = definitions["fields"]
    yield heading(1, "The activate block") + paragraphs("activate_block")
    yield heading(2, "Keys of a sync") + _keys(sync, definitions)
    yield heading(2, "Keys of a field") + paragraphs("field") + _keys(field, definitions)
    yield heading(3, "lookup") + _keys(field["properties"]["lookup"], definitions)
    for name in ("guards", "requires"):
        yield heading(2, name) + _keys(sync["properties"][name], definitions)


def destinations_file() -> Iterator[str]:
    """Every key of ``destinations.yml``."""
    definitions = schema("destinations")["$defs"]
    kind = {"type": definitions["output"]["properties"]["type"]}
    whole = {"required": ["type"], "properties": {**kind, **definitions["connection"]["properties"]}}
    yield heading(1, "destinations.yml") + paragraphs("destinations_yml")
    yield heading(2, "Every connection takes") + _keys(whole, definitions) + paragraphs("budget")
    yield heading(2, "type: sandbox") + paragraphs("sandbox") + _keys(definitions["sandbox"], definitions)
    yield heading(2, "Faults of the sandbox") + paragraphs("sandbox_faults")
    yield table(["kind", "what happens"], ((code(kind), said) for kind, said in DESCRIPTIONS.items()))
    rows = [(code(each.name), _fault_default(each), words("fault_keys", each.name)) for each in _fault_keys()]
    yield table(["key", "default", "meaning"], rows)


def _fault_keys() -> Sequence[msgspec.structs.FieldInfo]:
    """The keys of a fault, but for those that the sandbox fills in."""
    return [each for each in msgspec.structs.fields(Fault) if each.name not in {"id", "hits"}]


def _fault_default(each: msgspec.structs.FieldInfo) -> str:
    return "required" if each.required else code(each.default)


def _keys(part: Part, definitions: Part) -> str:
    rows = [
        (code(name), kind_of(rule, definitions), _default(rule, required=name in part.get("required", ())), _said(rule))
        for name, rule in part["properties"].items()
    ]
    return table(["key", "takes", "default", "meaning"], rows)


def kind_of(rule: Part, definitions: Part) -> str:
    """What a rule of a JSON Schema takes, in words."""
    if "const" in rule:
        return code(rule["const"])
    if "$ref" in rule:
        name = str(rule["$ref"]).split("/")[2]
        return REFERRED.get(name) or kind_of(definitions[name], definitions)
    if "enum" in rule:
        return " or ".join(code(value) or "nothing" for value in rule["enum"])
    if "type" not in rule and (several := rule.get("anyOf") or rule.get("oneOf")):
        return " or ".join(dict.fromkeys(kind_of(one, definitions) for one in several))
    if rule.get("type") == "array":
        return f"a list of {kind_of(rule.get('items', {}), definitions)}"
    found = rule.get("type")
    return " or ".join(TYPES.get(str(kind), "anything") for kind in (found if isinstance(found, list) else [found]))


REFERRED = {"fields": "a mapping", "field": "a mapping", "transform": "[transform](transforms.md)"}
TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "nothing",
}


def _default(rule: Part, *, required: bool) -> str:
    if required:
        return "required"
    return code(str(rule["default"]).lower() if isinstance(rule.get("default"), bool) else rule.get("default"))


def _said(rule: Part) -> str:
    examples = rule.get("examples")
    return str(rule.get("description", "")) + (f" For example {codes(examples)}." if examples else "")


# Destination types.

EXAMPLES: Mapping[str, tuple[Mapping[str, object], str | None]] = {
    "http": ({"url": "https://api.example.com/v1/customers", "operations": {"archive": {}}}, None),
    "hubspot": ({"token": "from the environment"}, "contacts"),
    "postgres": ({"url": "postgresql://user@host/db", "archive_column": "archived_at"}, "public.customers"),
    "duckdb": ({"path": "ops.duckdb", "archive_column": "archived_at"}, "main.customers"),
    "sqlite": ({"path": "ops.sqlite", "archive_column": "archived_at"}, "customers"),
    "file": ({"path": "out", "envelope": True}, "customers"),
}
"""Type to settings that show all that it can do, and an object."""


def destination_types() -> Iterator[str]:
    """Each type: its settings, objects, operations."""
    yield heading(1, "Destination types") + paragraphs("destination_types")
    yield heading(2, "Capability classes")
    yield told(["class", "what a second send does"], [kind.value for kind in DeliveryClass], "classes")
    for name, kind in sorted(kinds().items()):
        yield from _type(name, kind)


def kinds() -> Mapping[str, type[Destination]]:
    """Type to class, from the project's own entry points: they need not be installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    entries: Mapping[str, str] = project["entry-points"]["dbt_activate.destinations"]
    places = {name: place.split(":") for name, place in entries.items()}
    return {name: getattr(import_module(module), attribute) for name, (module, attribute) in places.items()}


def _type(name: str, kind: type[Destination]) -> Iterator[str]:
    settings, object_name = EXAMPLES[name]
    destination = kind(Connection(name=name, output="prod", type=name, settings=settings), make_tools())
    yield heading(2, f"type: {name}")
    yield _plain((kind.__doc__ or "").strip().splitlines()[0])
    yield table(["setting", "takes", "", "meaning"], _settings(name, kind))
    if name in _all_words()["texts"]:
        yield paragraphs(name)
    for each in destination.objects() or (object_name,):
        yield _operations(destination.describe(each), each if destination.objects() else None)
    yield "A sync names an object.\n\n" if kind.object_required else "A sync need not name an object.\n\n"
    if kind.limits.max_requests_per_second:
        yield f"Unless the connection says otherwise: {kind.limits.max_requests_per_second:g} requests a second.\n\n"


def _settings(kind_name: str, kind: type[Destination]) -> Iterator[Sequence[str]]:
    for name, rule, required in _deep(kind.connection_schema):
        marks = [mark for mark, holds in (("required", required), ("secret", rule.get("x-secret"))) if holds]
        own = _all_words()["settings"].get(kind_name, {}).get(name)
        meaning = own or rule.get("description") or words(f"settings.{kind_name}", name)
        yield code(name), kind_of(rule, {}), ", ".join(marks), meaning


def _deep(part: Part, prefix: str = "") -> Iterator[tuple[str, Part, bool]]:
    """The properties of *part* and of what is in them, with dotted names, and whether they are required."""
    for name, rule in part.get("properties", {}).items():
        yield prefix + name, rule, not prefix and name in part.get("required", ())
        yield from _deep(rule, f"{prefix}{name}.")
        inner = rule.get("additionalProperties")
        if isinstance(inner, Mapping) and "properties" in inner:
            yield from _deep(inner, f"{prefix}{name}.<name>.")


def _operations(spec: ObjectSpec, name: str | None) -> str:
    rows = [(code(op.value), code(each.delivery.value), str(each.rows)) for op, each in spec.operations.items()]
    title = f"Operations on {code(name)}" if name else "Operations"
    return f"{title}, their classes, and most rows in one request:\n\n" + table(["operation", "class", "rows"], rows)


# Tables of values.


def transforms() -> Iterator[str]:
    """Each transform."""
    yield heading(1, "Transforms") + paragraphs("transforms") + told(["name", "makes"], TRANSFORMS, "transforms")


def modes() -> Iterator[str]:
    """What each mode does with each kind of change."""
    rows = [[code(mode), *(code(OPERATIONS[mode].get(kind)) or "" for kind in ChangeKind)] for mode in SyncMode]
    yield heading(1, "Modes") + table(["mode", *(kind.value for kind in ChangeKind)], rows) + paragraphs("modes")


def outcomes() -> Iterator[str]:
    """The outcomes of rows and the statuses of syncs."""
    names = [outcome.value for outcome in Outcome]
    statuses = published("results")["$defs"]["result"]["properties"]["status"]["enum"]
    yield heading(1, "Outcomes and statuses") + paragraphs("outcomes")
    yield told(["outcome", "who says so", "sent again"], names, "outcomes", "sent_again")
    yield heading(2, "Statuses of a sync")
    yield told(["status", "means", "exit code"], statuses, "statuses", "status_exit_codes")


def error_tree() -> Iterator[str]:
    """Exit codes, and the tree of errors."""
    tree = (errors.__doc__ or "").partition("::\n")[2].partition("\n\nA row")[0]
    lines = "\n".join(line[4:] for line in tree.strip("\n").splitlines())
    yield heading(1, "Exit codes and errors")
    yield told(["code", "means"], _all_words()["exit_codes"], "exit_codes") + paragraphs("held")
    yield heading(2, "Errors") + paragraphs("errors") + f"```text\n{lines}\n```\n"


def environment() -> Iterator[str]:
    """Every environment variable, and the settings in ``dbt_project.yml``."""
    found = dict(_all_words()["environment"])
    for param in (param for name in COMMANDS for param in command_of(name).params):
        if isinstance(param, click.Option) and isinstance(param.envvar, str):
            found[param.envvar] = f"{code(param.opts[0])}: {param.help}"
    yield heading(1, "Environment variables") + paragraphs("environment")
    yield table(["variable", "means"], ((code(name), found[name]) for name in sorted(found)))
    yield heading(2, "Settings in dbt_project.yml") + "Under `vars: dbt_activate:`:\n\n"
    yield told(["key", "means"], _all_words()["project_settings"], "project_settings")


def ledger() -> Iterator[str]:
    """The tables and their columns."""
    yield heading(1, "Ledger tables") + f"Layout version {VERSION}.\n\n" + paragraphs("ledger")
    for name, columns in {"ledger__&lt;sync&gt;": LEDGER, **TABLES}.items():
        rows = [(code(column), kind, words("columns", column)) for column, kind in columns.items()]
        yield heading(2, name) + table(["column", "type", "holds"], rows)


def artifacts() -> Iterator[str]:
    """The files that commands write."""
    results, plan = published("results"), published("plan")
    result, census = results["$defs"]["result"], results["$defs"]["census"]
    yield heading(1, "Artifacts") + paragraphs("artifacts")
    yield heading(2, "activate_results.json") + paragraphs("results")
    yield _values(results["properties"]["metadata"], results["$defs"])
    yield "Each of `results`:\n\n" + _values(result, results["$defs"])
    yield "Its `census`, which is what the plan found:\n\n" + _values(census, results["$defs"])
    yield heading(2, "activate.log") + paragraphs("log")
    yield heading(2, "A saved plan") + paragraphs("plan") + _values(plan["$defs"]["sync"], plan["$defs"])
    yield "Its `counts`:\n\n" + _values(plan["$defs"]["counts"], plan["$defs"])


def _values(part: Part, definitions: Part) -> str:
    rows = [(code(name), kind_of(rule, definitions), _said(rule)) for name, rule in part["properties"].items()]
    return table(["key", "value", "meaning"], rows)


PAGES: Mapping[str, Callable[[], Iterator[str]]] = {
    "commands.md": commands,
    "activate-block.md": activate_block,
    "destinations-yml.md": destinations_file,
    "destination-types.md": destination_types,
    "transforms.md": transforms,
    "modes.md": modes,
    "outcomes.md": outcomes,
    "errors.md": error_tree,
    "environment.md": environment,
    "ledger.md": ledger,
    "artifacts.md": artifacts,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
