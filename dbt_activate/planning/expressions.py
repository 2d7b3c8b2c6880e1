"""The field map as SQL expressions over the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from dbt_activate.contracts import Dialect
from dbt_activate.errors import ConfigError, Problem
from dbt_activate.values.sync import Column, Constant, FieldMap, Lookup, Sql, Sync, Variable

KEY = "activate_key"
FAULT = "activate_fault"


@dataclass(frozen=True, slots=True)
class Mapped:
    """One field whose value the warehouse computes.

    *position* is its index in ``sync.fields``; *alias* the column of the plan's query that carries it.
    """

    position: int
    alias: str
    field: FieldMap


def mapped_fields(sync: Sync) -> tuple[Mapped, ...]:
    """The fields of *sync* that the warehouse computes, in order."""
    return tuple(Mapped(i, f"f{i}", field) for i, field in enumerate(sync.fields) if field.from_warehouse)


def model_query(sync: Sync, dialect: Dialect, lookups: Mapping[str, str]) -> exp.Select:
    """Key and mapped fields of every row of the model that matches ``where``.

    Args:
        sync: The sync.
        dialect: The warehouse's.
        lookups: Sync name to the SQL query of its ``key`` and ``record_id``, for the syncs that fields look up.
    """
    name = dialect.name
    query = exp.select(
        exp.alias_(_parsed(key_text(sync.primary_key, dialect), dialect), KEY),
        exp.alias_(_parsed(_fault(sync.primary_key, dialect), dialect), FAULT),
        dialect=name,
    ).from_(exp.alias_(_parsed_table(sync.model.relation, dialect), "model", table=True))
    for mapped in mapped_fields(sync):
        query = query.select(exp.alias_(_expression(sync, mapped, dialect), mapped.alias))
        query = _joined(query, mapped, dialect, lookups)
    if sync.where is not None:
        query = query.where(user_sql(sync, "where", sync.where, dialect))
    return query


def key_text(columns: Sequence[str], dialect: Dialect) -> str:
    """The key as text: a single column's text form, or a JSON array of texts, which cannot collide."""
    texts = [dialect.text(f"model.{dialect.quote(column)}") for column in columns]
    if len(texts) == 1:
        return texts[0]
    parts = " || ',' || ".join(f"coalesce({dialect.json_string(text)}, 'null')" for text in texts)
    return f"'[' || {parts} || ']'"


def _fault(columns: Sequence[str], dialect: Dialect) -> str:
    missing = " OR ".join(f"model.{dialect.quote(column)} IS NULL" for column in columns)
    return f"CASE WHEN {missing} THEN 'null_key' END"


def _expression(sync: Sync, mapped: Mapped, dialect: Dialect) -> "exp.Expr":
    match mapped.field.source:
        case Column(name):
            return exp.column(exp.to_identifier(name, quoted=True), table="model")
        case Sql(text):
            return user_sql(sync, f"fields.{mapped.field.name}.sql", text, dialect)
        case Lookup():
            return exp.column("record_id", table=f"l{mapped.position}")
        case Constant() | Variable():
            raise AssertionError(mapped)  # mapped_fields holds none


def _joined(query: exp.Select, mapped: Mapped, dialect: Dialect, lookups: Mapping[str, str]) -> exp.Select:
    source = mapped.field.source
    if not isinstance(source, Lookup):
        return query
    alias = f"l{mapped.position}"
    parent = exp.Subquery(this=_parsed(lookups[source.sync], dialect), alias=exp.to_identifier(alias))
    condition = f"{key_text(source.columns, dialect)} = {alias}.key"
    return query.join(parent, on=_parsed(condition, dialect), join_type="left")


def user_sql(sync: Sync, place: str, text: str, dialect: Dialect) -> "exp.Expr":
    """Parse an expression that a user wrote, and tie its columns to the model.

    Raises:
        ConfigError: It does not parse in the warehouse's dialect.
    """
    try:
        expression = parse_one(text, dialect=dialect.name)
    except SqlglotError as error:
        problem = Problem(str(sync.at.at(*place.split("."))), f"not an expression of {dialect.name} SQL", str(error))
        raise ConfigError(problem) from error
    # Only a list comprehension's own name looks like a column; that of a lambda does not.
    own = {found.args["expression"].name for found in expression.find_all(exp.Comprehension)}
    for column in expression.find_all(exp.Column):
        if not column.table and column.name not in own:
            column.set("table", exp.to_identifier("model"))
    return exp.Paren(this=expression)


def _parsed(text: str, dialect: Dialect) -> "exp.Expr":
    return parse_one(text, dialect=dialect.name)


def _parsed_table(relation: str, dialect: Dialect) -> exp.Table:
    return exp.to_table(relation, dialect=dialect.name)
