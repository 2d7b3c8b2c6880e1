"""Write docs/reference/*.md from what the code says of itself: `docs.py`. `docs.py --check` only compares.

Nothing in these pages is typed by hand but the words in the tables below, and a name without words is an error.
"""

import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import click

from dbt_activate import errors
from dbt_activate.cli import COMMANDS, cli
from dbt_activate.cli.schemas import schema as cli_schema
from dbt_activate.contracts import Destination
from dbt_activate.ledger.tables import LEDGER, TABLES, VERSION
from dbt_activate.mapping.transforms import TRANSFORMS
from dbt_activate.project.schemas import schema
from dbt_activate.reporters.results import results_schema
from dbt_activate.testing.fakes import make_tools
from dbt_activate.values.destination import Connection, DeliveryClass, ObjectSpec
from dbt_activate.values.outcome import Outcome
from dbt_activate.values.sync import OPERATIONS, ChangeKind, OnRemoved, SyncMode

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
MADE = "<!-- Made by scripts/docs.py: change the code, then run it again. -->\n"


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with ``--check`` say which are out of date; return the exit code."""
    pages = {name: f"{MADE}\n{make().strip()}\n" for name, make in PAGES.items()}
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


# Markdown.


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def code(text: object) -> str:
    """*text* as inline code; nothing for None and the empty text."""
    return "" if text in (None, "") else f"`{text}`"


def codes(texts: Iterable[object]) -> str:
    """Several of them, with commas."""
    return ", ".join(code(text) for text in texts)


def _words(words: Mapping[str, str], name: str) -> str:
    """The words for *name*: whoever adds a name says what it is."""
    if name not in words:
        raise SystemExit(f"'{name}' has no words: describe it in the tables of {Path(__file__).name}")
    return words[name]


# Commands.


def commands() -> str:
    """The command line, one section for each command."""
    parts = ["# Commands\n", _plain(cli.help or ""), _options(_globals(cli))]
    parts.append(table(["command", "does"], ((f"[`{name}`](#{name})", text) for name, (_, text) in COMMANDS.items())))
    shared = _shared_options()
    parts += ["## Options that commands share\n", _options(shared)]
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None, name
        parts += _command(command, name, shared)
    return "\n".join(parts)


def _command(command: click.Command, name: str, shared: Sequence[click.Parameter]) -> Iterator[str]:
    yield f"## {name}\n"
    if isinstance(command, click.Group):
        yield _plain(command.help or "")
        yield from (_plain(f"`dbt-activate {name} {sub}`: {each.help}") for sub, each in command.commands.items())
    usage = " ".join(command.collect_usage_pieces(click.Context(command)))
    yield f"```text\ndbt-activate {name} {usage}\n```\n"
    if not isinstance(command, click.Group):
        yield _plain(command.help or "")
    known = {_identity(param) for param in shared}
    own = [param for param in command.params if _identity(param) not in known]
    yield _options(own)
    if len(own) < len(command.params):
        more = "" if _takes(command, "--select") else ", but for those that select syncs"
        yield f"It also takes [the options that commands share](#options-that-commands-share){more}.\n"


def _identity(param: click.Parameter) -> object:
    return (*param.opts, getattr(param, "help", None))


def _takes(command: click.Command, option: str) -> bool:
    return any(option in param.opts for param in command.params)


def _globals(group: click.Group) -> list[click.Parameter]:
    return [param for param in group.params if isinstance(param, click.Option)]


def _shared_options() -> list[click.Parameter]:
    command = cli.get_command(click.Context(cli), "sync")
    own = {"plan_file", "dry_run", "full_resync", "limit", "threads", "fail_fast", "override_guards", "test_row"}
    return [param for param in (command.params if command else []) if param.name not in own]


def _options(params: Iterable[click.Parameter]) -> str:
    rows = [_option(param) for param in params if isinstance(param, click.Option) and not param.hidden]
    return table(["option", "environment", "default", "meaning"], rows) if rows else ""


def _option(option: click.Option) -> Sequence[str]:
    names = [*option.opts, *option.secondary_opts]
    spelled = codes([f"{names[0]} {option.metavar}" if option.metavar else names[0], *names[1:]])
    kind = option.type.choices if isinstance(option.type, click.Choice) else ()
    words = (option.help or "") + (f" One of {codes(kind)}." if kind else "")
    said = option.default if isinstance(option.default, str | int | float) and not option.is_flag else ""
    return spelled, code(option.envvar), code("" if said == "{}" else said), words


def _plain(text: str) -> str:
    return "\n".join(line.strip() for line in text.replace("\b", "").splitlines()).strip() + "\n"


# JSON Schemas.


def activate_block() -> str:
    """Every key of the ``activate`` block."""
    whole = schema("activate")
    sync, definitions = whole["$defs"]["sync"], whole["$defs"]
    field = next(kind for kind in definitions["field"]["anyOf"] if kind.get("type") == "object")
    properties = sync["properties"]
    parts = [
        "# The activate block\n",
        "It stands at `config.meta.activate` of a model, a snapshot or a seed: a mapping from the name of a sync to the sync.",
        "A name has lower-case letters, digits and underscores, starts with a letter, and has at most 40 characters.",
        "`dbt-activate schema activate` prints the JSON Schema. Unknown keys are refused.\n",
        "## Keys of a sync\n",
        _keys(sync, definitions, {"fields": definitions["fields"]["description"]}),
        "## Keys of a field\n",
        "A field is the name of a column, or a mapping with exactly one of `column`, `sql`, `value`, `variable`, `lookup` and"
        " `fields`, and what else is needed of the rest.\n",
        _keys(field, definitions),
        f"`variable` is one of {codes(field['properties']['variable']['enum'])}. A new value of `run_id`,"
        " `run_started_at` or `invocation_id` is no reason to send a row.\n",
        "### lookup\n",
        _keys(field["properties"]["lookup"], definitions),
        "## guards\n",
        _keys(properties["guards"], definitions),
        "## requires\n",
        _keys(properties["requires"], definitions),
    ]
    return "\n".join(parts)


def destinations_file() -> str:
    """Every key of ``destinations.yml``."""
    whole = schema("destinations")
    definitions = whole["$defs"]
    parts = [
        "# destinations.yml\n",
        "A mapping from the name of a destination to `outputs`, which maps the name of a dbt target to a connection.",
        "`dbt-activate schema destinations` prints the JSON Schema. It is looked for in `--destinations-dir`, in"
        " `DBT_ACTIVATE_DESTINATIONS_DIR`, in the project's directory, then in `~/.dbt`.\n",
        "`env_var('NAME')`, `env_var('NAME', 'default')`, `var('name')` and `var('name', 'default')` are the only Jinja in it."
        " A secret must come from the environment.\n",
        "## Every connection takes\n",
        _keys(
            {**definitions["output"], "properties": {"type": definitions["output"]["properties"]["type"]}}, definitions
        ),
        _keys(definitions["connection"], definitions),
        "When `daily_request_budget` is spent, the sync ends as `deferred`, and the next run goes on.\n",
        "## type: sandbox\n",
        "The connection of the type that it emulates, towards `dbt-activate sandbox` on this machine. It takes the settings of"
        " that type, too, but for its secrets.\n",
        _keys(definitions["sandbox"], definitions),
        "The other types: [destination types](destination-types.md).\n",
    ]
    return "\n".join(parts)


def _keys(part: Mapping[str, Any], definitions: Mapping[str, Any], notes: Mapping[str, str] | None = None) -> str:
    required = part.get("required", ())
    rows = [
        (code(name), kind_of(rule, definitions), _default(rule, name in required), _said(name, rule, notes))
        for name, rule in part["properties"].items()
    ]
    return table(["key", "takes", "default", "meaning"], rows)


def _deep(part: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The properties of *part* and of what is in them, with dotted names."""
    for name, rule in part.get("properties", {}).items():
        yield prefix + name, rule
        yield from _deep(rule, f"{prefix}{name}.")
        inner = rule.get("additionalProperties")
        if isinstance(inner, Mapping) and "properties" in inner:
            yield from _deep(inner, f"{prefix}{name}.<name>.")


def kind_of(rule: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """What a rule of a JSON Schema takes, in words."""
    if "$ref" in rule:
        name = str(rule["$ref"]).split("/")[2]
        return _REFERRED.get(name) or kind_of(definitions[name], definitions)
    if "enum" in rule:
        return " or ".join(code(value) or "nothing" for value in rule["enum"])
    for several in ("anyOf", "oneOf"):
        if several in rule and "type" not in rule:
            kinds = dict.fromkeys(kind_of(one, definitions) for one in rule[several] if one.get("pattern") != "\\{\\{")
            return " or ".join(kinds)
    found = rule.get("type")
    if found == "array":
        return f"a list of {kind_of(rule.get('items', {}), definitions)}"
    kinds = found if isinstance(found, list) else [found]
    return " or ".join(_TYPES.get(str(kind), "anything") for kind in kinds)


_REFERRED = {"fields": "a mapping", "field": "a mapping", "transform": "[transform](transforms.md)"}
_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "null": "nothing",
}


def _default(rule: Mapping[str, Any], required: bool) -> str:  # noqa: FBT001 - a column of the table
    if required:
        return "required"
    return code(str(rule["default"]).lower() if isinstance(rule.get("default"), bool) else rule.get("default"))


def _said(name: str, rule: Mapping[str, Any], notes: Mapping[str, str] | None) -> str:
    words = (notes or {}).get(name) or str(rule.get("description", ""))
    examples = rule.get("examples")
    return f"{words} For example {codes(examples)}." if examples else words


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

NOTES: Mapping[str, Mapping[str, str]] = {
    "http": {
        "url": "The address. `{object}` takes the sync's object; where `body` is `row`, `{field}` takes an identifier's value.",
        "headers": "Headers of every request. Their values are shown nowhere; those that are credentials by their names must come"
        " from the environment.",
        "body": "How rows travel. Default `array`: a JSON array of payloads. `object`: the array below `records_key`. `row`,"
        " `form`: one request for each row. `ndjson`: one JSON object a line.",
        "records_key": "Where the array is, for `body: object`. Default `records`.",
        "envelope": "Each payload becomes `operation`, `key`, `fields`, `sync` and `run_id`. Default false.",
        "operations": "For each operation what differs from the defaults. An operation without a default method, such as"
        " `archive`, is offered only where it is named here.",
        "operations.<name>.method": "Default POST for create, upsert and archive, PATCH for update and clear, DELETE for delete.",
        "operations.<name>.url": "An address of its own.",
        "results": "How the answer speaks of single rows.",
        "results.by": "Default `all`: the status speaks for every row. `index`: the answer's list is in the order of the rows."
        " `key`: each item names its row.",
        "results.path": "Where the list is in the answer, dotted. Default `results`; empty for the answer itself.",
        "results.key": "For `by: key`: the identifier in an item. Default `id`.",
        "results.succeeded": "What says that a row got through. Needed for `by: index` and `by: key`.",
        "results.succeeded.field": "The field of an item that says it.",
        "results.succeeded.values": "Its values that mean success. Without, the field's presence does.",
        "results.message": "The field of an item with the reason of a refusal.",
        "results.record_id": "The field of an item with the record's own id.",
        "success_statuses": "Statuses that are answers, such as `2xx` or `200,207`. Default `2xx`.",
        "delivery": "What a repeated request does: see [delivery](../explanation/delivery.md). Default: `append` for create,"
        " `upsert` otherwise.",
        "idempotency_header": "Sent unless the class is `append`. Default `Idempotency-Key`.",
        "idempotency_ttl": "How long the destination remembers such a key. Default `24h`.",
        "sign": "Signs the body with HMAC-SHA256.",
        "sign.header": "The header that takes the signature, in hex.",
        "sign.secret": "The key. It comes from the environment.",
        "batch_size": "Most rows of a request, at most 10,000. Default 100.",
    },
    "hubspot": {
        "token": "The token of a private app. It comes from the environment.",
        "base_url": "Default `https://api.hubapi.com`.",
        "api_version": "`v3` (default), or a date version such as `2026-09`.",
        "batch_size": "Most rows of a request, at most 100, which is the default.",
    },
}
"""Type to setting to words, where its schema has none."""

CLASSES: Mapping[DeliveryClass, str] = {
    DeliveryClass.UPSERT: "one record however often it is sent: repeated",
    DeliveryClass.IDEMPOTENCY_KEY: "the destination drops a second request with the same key: repeated inside the key's life",
    DeliveryClass.READ_BACK: "looked for before it is repeated; no built-in type has it yet",
    DeliveryClass.APPEND: "never repeated: a lost answer leaves rows `unknown`",
    DeliveryClass.TRANSACTION: "one transaction with a marker of ours: applied once",
}


def destination_types() -> str:
    """Each type: its settings, objects, operations."""
    parts = [
        "# Destination types\n",
        "`dbt-activate destinations` lists the types that are installed, with what each needs.\n",
        "## Capability classes\n",
        table(["class", "what a second send does"], ((code(kind.value), words) for kind, words in CLASSES.items())),
    ]
    for name, kind in sorted(_kinds().items()):
        parts += _type(name, kind)
    return "\n".join(parts)


def _kinds() -> Mapping[str, type[Destination]]:
    """Type to class, from the project's own entry points: they need not be installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    entries: Mapping[str, str] = project["entry-points"]["dbt_activate.destinations"]
    places = {name: place.split(":") for name, place in entries.items()}
    return {name: getattr(import_module(module), attribute) for name, (module, attribute) in places.items()}


def _type(name: str, kind: type[Destination]) -> Iterator[str]:
    settings, object_name = EXAMPLES[name]
    destination = kind(Connection(name=name, output="prod", type=name, settings=settings), make_tools())
    notes = NOTES.get(name, {})
    required = kind.connection_schema.get("required", ())
    yield f"## type: {name}\n"
    yield f"{(kind.__doc__ or '').strip().splitlines()[0]}\n"
    yield table(
        ["setting", "takes", "", "meaning"],
        (_setting(*one, cast("Any", required), notes) for one in _deep(kind.connection_schema)),
    )
    for each in destination.objects() or (object_name,):
        yield _operations(destination.describe(each), each if destination.objects() else None)
    if name == "postgres":
        yield "It needs `url`, or `host` and `dbname`. `create_table` is off unless it is set.\n"
    yield "A sync names an object.\n" if kind.object_required else "A sync need not name an object.\n"
    if kind.limits.max_requests_per_second:
        yield f"Unless the connection says otherwise: {kind.limits.max_requests_per_second:g} requests a second.\n"


def _setting(name: str, rule: Mapping[str, Any], required: Sequence[str], notes: Mapping[str, str]) -> Sequence[str]:
    marks = ["required"] * (name in required) + ["secret"] * bool(rule.get("x-secret"))
    words = notes.get(name) or rule.get("description")
    if not words:
        raise SystemExit(f"the setting {name} has no words: describe it in its schema, or in NOTES of {__file__}")
    return code(name), kind_of(rule, {}), ", ".join(marks), str(words)


def _operations(spec: ObjectSpec, name: str | None) -> str:
    rows = [(code(op.value), code(each.delivery.value), str(each.rows)) for op, each in spec.operations.items()]
    title = f"{code(name)}: " if name else ""
    return f"{title}operations, their classes, and most rows in one request:\n\n" + table(
        ["operation", "class", "rows"], rows
    )


# Tables of values.

TRANSFORM_WORDS: Mapping[str, str] = {
    "trim": "text without white space at its ends",
    "lower": "text in lower case",
    "upper": "text in upper case",
    "digits": "the decimal digits of a text, of any script, as 0 to 9",
    "e164": "a phone number as `+` and 8 to 15 digits; it must bring its `+` or `00`: a country is never guessed",
    "sha256": "SHA-256 of the text in UTF-8, as hex in lower case",
    "md5": "MD5 of the text in UTF-8, as hex in lower case",
    "iso_date": "a date, a timestamp or ISO 8601 text as `2026-02-03`, in UTC",
    "iso_datetime": "the same as `2026-02-03T04:05:06Z`, in UTC; a date stands for its first instant",
    "epoch_s": "the same as whole seconds since 1970, rounded down",
    "epoch_ms": "the same as whole milliseconds since 1970, rounded down",
    "string": "text of anything: `1.50` becomes `1.5`, an object its JSON",
    "integer": "a whole number, from a number, a boolean or text; a fraction is refused",
    "number": "a number, from a number, a boolean or text",
    "boolean": "true or false, from true, t, yes, y, on, 1 and their opposites",
    "json": "the value that a JSON text says",
    "split": "a list of the parts between commas, without blanks and empty parts",
    "join": "the items of a list with commas between them; NULL items are left out",
}


def transforms() -> str:
    """Each transform."""
    rows = [(code(name), _words(TRANSFORM_WORDS, name)) for name in TRANSFORMS]
    return (
        "# Transforms\n\n"
        "`transform:` names one, or a list that runs in order. NULL stays NULL. Where a value cannot be taken, the row is"
        " `invalid` with the code `transform`: nothing is guessed or cut. Anything larger belongs in the model.\n\n"
        + table(["name", "makes"], rows)
    )


def modes() -> str:
    """What each mode does with each kind of change."""
    rows = [[code(mode), *(code(OPERATIONS[mode].get(kind)) or "–" for kind in ChangeKind)] for mode in SyncMode]
    kept = codes(policy.value for policy in OnRemoved)
    return (
        "# Modes\n\n" + table(["mode", *(kind.value for kind in ChangeKind)], rows) + "\n"
        f"`on_removed` ({kept}) says what is done with removed rows in `upsert`, `update` and `mirror`. Default: `delete` for"
        " `mirror`, `ignore` otherwise. `insert` and `append` never touch a record again. A change that a mode does not"
        " send is counted, and left alone.\n\n`update`, `upsert` and `mirror` need an `identifier`.\n"
    )


OUTCOMES: Mapping[Outcome, tuple[str, str]] = {
    Outcome.SUCCEEDED: ("the destination gave a positive answer for this row", "when the row changes"),
    Outcome.UNCHANGED: ("the payload is the one last confirmed: no request was made", "when the row changes"),
    Outcome.INVALID: (
        "our key check, field map or JSON Schema refused it: it was never sent",
        "when row or field map changes, or by `retry`",
    ),
    Outcome.REJECTED: ("the destination refused this row", "when row or field map changes, or by `retry`"),
    Outcome.CONFLICT: ("reserved for merging with edits in the destination: nothing ends so in this version", "–"),
    Outcome.FAILED: (
        "retries were spent; surely not applied, or harmless to repeat",
        "by the next run, then with back-off",
    ),
    Outcome.UNKNOWN: ("sent, no usable answer, not safe to repeat", "never by itself"),
    Outcome.ABORTED: ("planned and never tried: the run stopped before", "by the next run"),
}

STATUSES: Mapping[str, tuple[str, str]] = {
    "success": ("Every planned row succeeded or was unchanged, and nothing of earlier runs waits.", "0"),
    "partial": ("Some rows got through and some did not, or failures of earlier runs wait.", "1"),
    "failed": ("No row got through, or the sync could not go on.", "1, or 2 where the block is at fault"),
    "blocked": ("A gate, a guard or another plan than the approved one: no row was sent, but for `max_rejected`.", "1"),
    "locked": ("Another run holds the sync's lease.", "1"),
    "deferred": (
        "The destination asked to wait for more than five minutes, or a quota or budget of requests is spent.",
        "1",
    ),
    "skipped": ("Not tried: the run stopped before its turn.", "none of its own"),
}


def outcomes() -> str:
    """The outcomes of rows and the statuses of syncs."""
    rows = [(code(outcome.value), *OUTCOMES[outcome]) for outcome in Outcome]
    statuses = [(code(name), *words) for name, words in STATUSES.items()]
    return (
        "# Outcomes and statuses\n\nEach planned row of a run ends in exactly one outcome. The counts of every report are"
        " counted from these rows.\n\n" + table(["outcome", "who says so", "sent again"], rows) + "\n"
        "## Statuses of a sync\n\n" + table(["status", "means", "exit code"], statuses)
    )


EXIT_CODES: Mapping[str, str] = {
    "0": "Everything is in step: every planned row succeeded or was unchanged, and nothing of earlier runs waits or is unknown.",
    "1": "The run finished and left rows or syncs behind: rejected, invalid, failed, unknown, aborted, refused by a guard or gate, locked, deferred.",
    "2": "It could not run: usage, configuration, warehouse, ledger.",
    "130": "Stopped by SIGINT: no new batch was begun, those in flight ended and were recorded.",
    "141": "Whoever read the output went away.",
    "143": "Stopped by SIGTERM, in the same way.",
}


def error_tree() -> str:
    """Exit codes, and the tree of errors."""
    tree = (errors.__doc__ or "").partition("::\n")[2].partition("\n\nA row")[0]
    lines = "\n".join(line[4:] for line in tree.strip("\n").splitlines())
    return (
        "# Exit codes and errors\n\n"
        + table(["code", "means"], ((code(name), words) for name, words in EXIT_CODES.items()))
        + "\nRejects that are held from earlier runs fail no later run; see"
        " [outcomes](../explanation/outcomes.md#exit-codes).\n\n## Errors\n\nAn error says the place, the fault and the way out."
        " All problems of a project are told at once. `--debug` adds a traceback.\n\n"
        f"```text\n{lines}\n```\n"
    )


ENVIRONMENT: Mapping[str, str] = {
    "DBT_ACTIVATE_DBT": "The dbt program that `--select` asks, where it is not the dbt-core of this Python: dbt 2, for example.",
    "DBT_ENV_SECRET_…": "By convention, what `destinations.yml` takes secrets from; dbt masks variables of this prefix in its logs.",
    "HOME": "`~/.dbt` is the last place where `profiles.yml` and `destinations.yml` are looked for.",
}


def environment() -> str:
    """Every environment variable."""
    found = dict(ENVIRONMENT)
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        for param in command.params if command else []:
            if isinstance(param, click.Option) and isinstance(param.envvar, str):
                found[param.envvar] = f"{code(param.opts[0])}: {param.help}"
    rows = [(code(name), found[name]) for name in sorted(found)]
    return (
        "# Environment variables\n\nAn option of the command line wins over its variable. Variables named in `env_var()` of"
        " `destinations.yml` and `profiles.yml` come on top.\n\n" + table(["variable", "means"], rows) + "\n"
        "## Settings in dbt_project.yml\n\nUnder `vars: dbt_activate:`:\n\n"
        + table(["key", "default", "meaning"], SETTINGS)
    )


SETTINGS = (
    ("`schema`", "`<target schema>_activate`", "The ledger's schema."),
    (
        "`store`",
        "`values`",
        "`values` keeps the confirmed payload of each row, `fingerprints` keyed hashes of its fields only.",
    ),
)

COLUMNS: Mapping[str, str] = {
    "after": "JSON: the fields that were sent, or would have been; only with `store: values`",
    "attempt": "1; a repeated request is no new line",
    "attempts": "runs in a row in which the row did not get through",
    "basis": "what the fingerprint rests on: types, field map, the engine's probe",
    "batch": "number of the batch in which the row travelled",
    "before": "JSON: the fields as confirmed before; only with `store: values`",
    "binding": "warehouse, account, object and key that the ledger speaks of",
    "change": "`added`, `changed` or `removed`",
    "changed_fields": "JSON: the fields that differ from what was confirmed",
    "code": "a short stable word for the reason",
    "config_hash": "hash of the block, as far as it decides what is sent where",
    "confirmed_at": "when the destination last confirmed the row",
    "counts": "JSON: change to outcome to number of rows",
    "dbt_invocation_id": "dbt's run that wrote the manifest",
    "delivery": "capability class of the operation",
    "destination": "the destination's name",
    "ended_at": "when the run ended",
    "epoch": "counts the holders of the sync's lease; only grows",
    "expires_at": "when the lease runs out, on the warehouse's clock",
    "field": "the field at fault",
    "field_hashes": "JSON: field to keyed hash; only with `store: fingerprints`",
    "fingerprint": "the engine's hash of the mapped columns",
    "first_seen_at": "when the row was first refused",
    "first_sent_at": "when the intent to send the batch was written",
    "folded": "whether the run's lines of `row_log` are in the ledger",
    "handle": "for jobs that are asked about later; empty in this version",
    "holder": "who holds the lease; NULL where nobody does",
    "host": "the holder's machine",
    "idempotency_key": "the same for every try of the same confirmation of the same rows",
    "identity": "JSON: the identifier fields and their values",
    "incarnation": "how often the row came back after a removal",
    "invocation_id": "of the command",
    "key": "the primary key as text; a JSON array of texts where it has several columns",
    "keys": "JSON: the keys of the rows in the batch",
    "last_seen_at": "when the row was last refused",
    "logged_at": "when the line was written",
    "message": "for people; holds no value of a row",
    "model": "dbt's unique id",
    "name": "name of a fact: `version`, `hash_key`",
    "next_attempt_at": "not tried before, unless the row changes; NULL: at once",
    "number": "of the batch, from 1",
    "object": "what is written there",
    "operation": "what was asked of the destination",
    "outcome": "how the row ended",
    "payload": "JSON: the confirmed payload; only with `store: values`",
    "payload_hash": "128 bits over the canonical JSON of the fields that decide",
    "pid": "the holder's process",
    "plan_hash": "what `--override-guards` and a saved plan name",
    "planned": "rows that had to end in an outcome",
    "pointer": "JSON pointer into the payload",
    "reconfirm_after": "when the row is looked at again though it did not change; empty in this version",
    "record_id": "the destination's own id of the record",
    "revision": "how often anything was confirmed of the row",
    "removed_at": "when the record was removed; NULL while it is there",
    "request_id": "the destination's own name for the request",
    "requests": "requests of the run",
    "run_id": "the run",
    "started_at": "when the run began",
    "state": "`started`, `done`, or `resolved` by a later run",
    "status": "`running`, `finished`, `blocked` or `crashed`",
    "sync": "the sync",
    "theirs": "JSON: the record as the destination reported it back",
    "value": "value of the fact",
    "version": "of dbt-activate",
}
"""Column to what it holds, in whichever table."""


def ledger() -> str:
    """The tables and their columns."""
    parts = [
        "# Ledger tables\n",
        f"Layout version {VERSION}. The tables are in the schema `<target schema>_activate` of the warehouse, or in `vars:"
        " dbt_activate: schema`. Timestamps are UTC. Columns of JSON are text. What they are for:"
        " [the ledger](../explanation/ledger.md).\n",
    ]
    for name, columns in {"ledger__<sync>": LEDGER, **TABLES}.items():
        rows = [(code(column), kind, _words(COLUMNS, column)) for column, kind in columns.items()]
        parts += [f"## {name.replace('<', '&lt;').replace('>', '&gt;')}\n", table(["column", "type", "holds"], rows)]
    return "\n".join(parts)


def artifacts() -> str:
    """The files that commands write."""
    results, plan = results_schema(), cli_schema("plan")
    result, census = results["$defs"]["result"], results["$defs"]["census"]
    parts = [
        "# Artifacts\n",
        "In `target/activate/`, beside dbt's own. They hold no value of a row and no secret.\n",
        "## activate_results.json\n",
        "`dbt-activate schema results` prints the JSON Schema. `metadata`:\n",
        _names(results["properties"]["metadata"], results["$defs"]),
        "Each of `results`:\n",
        _names(result, results["$defs"]),
        "Its `census`, which is what the plan found:\n",
        _names(census, results["$defs"]),
        "## activate.log\n\nEvery event of a run as a line of JSON, in the form of `--log-format json`.\n",
        "## A saved plan\n",
        "`dbt-activate plan --out FILE` writes it, `dbt-activate sync --plan FILE` executes it or refuses. `dbt-activate"
        " schema plan` prints the JSON Schema. Each of `syncs`:\n",
        _names(plan["$defs"]["sync"], plan["$defs"]),
        "Its `counts`:\n",
        _names(plan["$defs"]["counts"], plan["$defs"]),
    ]
    return "\n".join(parts)


def _names(part: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    rows = [
        (code(name), _value(rule, definitions), rule.get("description", ""))
        for name, rule in part["properties"].items()
    ]
    return table(["key", "value", "meaning"], rows)


def _value(rule: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    return code(rule["const"]) if "const" in rule else kind_of(rule, definitions)


PAGES: Mapping[str, Callable[[], str]] = {
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
