"""Reads the SQL that users write in a block: one scalar expression over the columns of one row, and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbt_activate.errors import ConfigError, Problem
from dbt_activate.values.sync import Location

if TYPE_CHECKING:
    from sqlglot import exp

_ENGINES = {"sqlserver": "tsql", "synapse": "tsql", "fabric": "fabric", "spark": "spark", "dremio": "dremio"}
_BELONGS = "it belongs in the model"


def engine_of(adapter_type: str) -> str:
    """The name in sqlglot of the engine of a dbt adapter; empty, which is plain SQL, where sqlglot does not know it."""
    from sqlglot.dialects import Dialect

    name = _ENGINES.get(adapter_type, adapter_type)
    return name if Dialect.get(name) else ""


@dataclass(frozen=True, slots=True)
class Expression:
    """A sound expression.

    Attributes:
        columns: The columns it reads: name, and whether it was quoted.
        names: Every name in it that may be a column, those of the columns' own parts among them.
        condition: Whether its value can be true or false.
    """

    tree: "exp.Expression"
    columns: tuple[tuple[str, bool], ...]
    names: frozenset[str]
    condition: bool


def read_expression(text: str, engine: str, at: Location) -> Expression:
    """Parse *text* as *engine*, a dialect of sqlglot, would.

    Raises:
        ConfigError: It is no single scalar expression, or looks beyond its row.
    """
    _check_tokens(text, engine, at)
    tree = _parsed(text, engine, at)
    for reason, remedy in _reasons(tree):
        raise _refused(at, reason, remedy)
    columns = tuple(dict.fromkeys(_columns(tree)))
    return Expression(tree, columns, frozenset(_names(tree)), _is_condition(tree))


def _check_tokens(text: str, engine: str, at: Location) -> None:
    from sqlglot import Dialect, TokenError, TokenType

    try:
        tokens = Dialect.get_or_raise(engine).tokenize(text)
    except TokenError as error:
        raise _refused(at, "this is not SQL: a quote or a comment is not closed") from error
    if "\x00" in text or not tokens:
        raise _refused(at, "there is no SQL in it")
    if any(token.comments for token in tokens):
        raise _refused(at, "a comment has no place in it", "write the comment in YAML, after a #")
    if any(token.token_type is TokenType.SEMICOLON for token in tokens):
        raise _refused(at, "a semicolon has no place in it", "write one expression")


def _parsed(text: str, engine: str, at: Location) -> "exp.Expression":
    from sqlglot import ParseError, exp, parse

    try:
        # In brackets: what would end the expression early leaves something other than one bracketed expression.
        statements = parse(f"SELECT (\n{text}\n)", read=engine or None)
    except (ParseError, RecursionError) as error:
        raise _refused(
            at, f"this is no SQL expression{_where(error)}", "write one expression over the columns"
        ) from error
    select = statements[0] if len(statements) == 1 else None
    if not isinstance(select, exp.Select) or len(select.expressions) != 1 or _clauses(select):
        raise _refused(at, "this is more than one expression", "write one expression over the columns")
    inside = select.expressions[0]
    if isinstance(inside, exp.Subquery):
        raise _refused(at, "a query of its own has no place in it", _BELONGS)
    if not isinstance(inside, exp.Paren) or isinstance(inside.this, exp.Alias):
        raise _refused(at, "this is not one expression", "write one expression over the columns, without a name for it")
    tree: exp.Expression = inside.this
    return tree


def _clauses(select: "exp.Select") -> list[str]:
    return [name for name, value in select.args.items() if value and name not in {"expressions", "kind"}]


def _where(error: Exception) -> str:
    details = getattr(error, "errors", None)
    # Line 1 is ours; the user's text starts on line 2.
    return f" (line {details[0]['line'] - 1}, column {details[0]['col']})" if details and details[0].get("line") else ""


def _reasons(tree: "exp.Expression") -> Iterator[tuple[str, str]]:
    from sqlglot import exp

    reasons: tuple[tuple[tuple[Any, ...], str, str], ...] = (
        ((exp.Query, exp.Exists, exp.Table), "a query of its own has no place in it", _BELONGS),
        ((exp.Window,), "a window function looks at other rows", _BELONGS),
        ((exp.AggFunc,), "an aggregate looks at other rows", _BELONGS),
        ((exp.Explode, exp.UDTF, exp.ExplodingGenerateSeries), "it makes several rows of one", _BELONGS),
        ((exp.Star, exp.Columns, exp.PositionalColumn), "it stands for columns that nobody named", "name them"),
        ((exp.Placeholder, exp.Parameter), "a placeholder stands for nothing here", "write the value out"),
        ((exp.Rand, exp.Uuid), _UNSTEADY, _BELONGS),
        ((exp.DDL, exp.DML, exp.Command), "a statement has no place in it", "write one expression over the columns"),
    )
    for kinds, reason, remedy in reasons:
        if isinstance(tree, kinds) or tree.find(*kinds):
            yield reason, remedy
    if any(call.name.casefold() in _VOLATILE for call in tree.find_all(exp.Anonymous)):
        yield _UNSTEADY, _BELONGS


_UNSTEADY = "its value is another one in every run, so that every row would be sent every time"
_VOLATILE = frozenset(
    {"nextval", "setval", "random", "rand", "setseed", "gen_random_uuid", "uuid_generate_v4", "uuidv4", "uuidv7"}
)


def _columns(tree: "exp.Expression") -> Iterator[tuple[str, bool]]:
    from sqlglot import exp

    own = _own_names(tree)
    for column in tree.find_all(exp.Column):
        # `a.b` reads the part b of the column a: no other relation is in reach.
        first = column.parts[0]
        if first.name not in own:
            yield first.name, bool(first.args.get("quoted"))


def _own_names(tree: "exp.Expression") -> set[str]:
    """The names that lambdas and list comprehensions give to the items of a list."""
    from sqlglot import exp

    lambdas = (name.name for one in tree.find_all(exp.Lambda) for name in one.expressions)
    comprehensions = (one.args["expression"].name for one in tree.find_all(exp.Comprehension))
    return {*lambdas, *comprehensions}


def _names(tree: "exp.Expression") -> Iterator[str]:
    from sqlglot import exp

    return (identifier.name for identifier in tree.find_all(exp.Identifier))


def _is_condition(tree: "exp.Expression") -> bool:
    from sqlglot import exp

    never = (exp.Literal, exp.Null, exp.DPipe, exp.Concat, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Interval, exp.Neg)
    bare = tree.unnest()
    if isinstance(bare, exp.Cast):
        return bool(bare.to.this is exp.DataType.Type.BOOLEAN)
    return not isinstance(bare, never)


def _refused(at: Location, fault: str, remedy: str = "") -> ConfigError:
    return ConfigError(Problem(str(at), fault, remedy))
