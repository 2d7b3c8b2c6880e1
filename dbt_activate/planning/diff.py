"""The one join of planning: model against what was confirmed, against what is held back.

Every key of the three gets one *kind* (what happened to it) and one *state* (whether it is to be tried now):

=============  ==========================================================================================
kind           the key is
=============  ==========================================================================================
``faulty``     null, or in several rows of the model
``added``      in the model, and not confirmed as present
``changed``    in both, with another fingerprint, another field map, a due confirmation, or a stale reject
``removed``    confirmed as present, and no longer in the model
``unchanged``  in both, alike
``gone``       in neither: only a reject remembers it
=============  ==========================================================================================

``held`` is a reject whose row and field map have not changed, ``waiting`` a failure whose next attempt is not due,
``unknown`` a row of unknown fate; everything else is ``due``.
"""

from dataclasses import dataclass

from sqlglot import exp, parse_one

from dbt_activate.contracts import Dialect
from dbt_activate.planning.expressions import FAULT, KEY

FIXED_COLUMNS = (
    "kind",
    "key",
    "fault",
    "copies",
    "fingerprint",
    "payload_hash",
    "payload",
    "identity",
    "record_id",
    "present",
    "incarnation",
    "revision",
    "attempts",
)
"""Columns of :meth:`Diff.rows`, before the mapped ones."""

NULL_KEY = "(null)"
"""The key under which rows without a key are reported, together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is known, as queries; planning does not know whose tables they read.

    Attributes:
        confirmed: ``key, fingerprint, basis, payload_hash, payload, identity, record_id, incarnation, revision,
            present, recheck``.
        rejects: ``key, outcome, code, fingerprint, basis, attempts, due``.
        lookups: Sync name to a query of ``key, record_id``.
    """

    confirmed: str
    rejects: str
    lookups: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which keys a run looks at, and what it forces.

    Attributes:
        full: Send every row again, equal or not.
        keys: Only these keys.
        rejects_only: Only keys with a reject, held or not; of *code* where it is given.
        unknown: Only keys of unknown fate, which nothing else takes up.
    """

    full: bool = False
    keys: tuple[str, ...] = ()
    rejects_only: bool = False
    code: str | None = None
    unknown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """The join, ready to be counted or read.

    Attributes:
        model: The query of :func:`~dbt_activate.planning.expressions.model_query`.
        fingerprint: SQL over the model query's columns.
        basis: What the fingerprints rest on, besides the values; see :mod:`dbt_activate.planning.fingerprint`.
        has_faults: Whether any key is null or occurs twice: only then is the model grouped by key.
    """

    model: exp.Select
    fingerprint: str
    basis: str
    memory: Memory
    scope: Scope
    dialect: Dialect
    has_faults: bool

    def counts(self) -> str:
        """SQL: ``kind, state, number`` over all keys."""
        query = exp.select("kind", "state", "COUNT(*) AS number").from_("diff").group_by("kind", "state")
        return self._with_steps(query)

    def rows(self, kinds: tuple[str, ...], columns: tuple[str, ...], limit: int | None) -> str:
        """SQL: the due rows of *kinds*, removals last, each kind in the order of keys.

        *columns* is SQL over the model query's, to follow :data:`FIXED_COLUMNS`.
        """
        listed = ", ".join(f"'{kind}'" for kind in kinds)
        query = (
            exp.select(*FIXED_COLUMNS, *columns, dialect=self.dialect.name)
            .from_("diff")
            .where(f"state = 'due' AND kind IN ({listed})")
            # Removals go last: a row that took a new key must exist before its old self goes.
            .order_by("CASE WHEN kind = 'removed' THEN 1 ELSE 0 END", "key")
        )
        return self._with_steps(query.limit(limit) if limit is not None else query)

    def _with_steps(self, query: exp.Select) -> str:
        steps = {
            "model": self.model,
            "marked": self._marked(),
            "confirmed": self._parsed(self.memory.confirmed),
            "rejects": self._parsed(self.memory.rejects),
            "joined": self._joined(),
            "diff": self._judged(),
        }
        for name, step in steps.items():
            query = query.with_(name, as_=step)
        return query.sql(dialect=self.dialect.name)

    def _marked(self) -> "exp.Expr":
        """The model with fingerprint and fault; faulty keys folded into one row each."""
        sound = f"SELECT *, {self.fingerprint} AS fingerprint, 1 AS copies FROM model"
        if not self.has_faults:
            return self._parsed(sound)
        twice = f"SELECT {KEY} FROM model WHERE {FAULT} IS NULL GROUP BY {KEY} HAVING COUNT(*) > 1"
        key = f"CASE WHEN {FAULT} IS NULL THEN {KEY} ELSE '{NULL_KEY}' END"
        fault = f"COALESCE({FAULT}, 'duplicate_key')"
        nulls = "".join(f", NULL AS {alias}" for alias in self._aliases)
        return self._parsed(
            f"{sound} WHERE {FAULT} IS NULL AND {KEY} NOT IN ({twice})"
            f" UNION ALL SELECT {key} AS {KEY}, {fault} AS {FAULT}{nulls}, NULL AS fingerprint, COUNT(*) AS copies"
            f" FROM model WHERE {FAULT} IS NOT NULL OR {KEY} IN ({twice}) GROUP BY {key}, {fault}"
        )

    @property
    def _aliases(self) -> list[str]:
        return [alias for alias in self.model.named_selects if alias not in (KEY, FAULT)]

    def _joined(self) -> "exp.Expr":
        aliases = "".join(f", m.{alias}" for alias in self._aliases)
        return self._parsed(
            f"SELECT COALESCE(m.{KEY}, c.key, r.key) AS key, m.{FAULT} AS fault, m.copies, m.fingerprint{aliases},"
            " c.payload_hash, c.payload, c.identity, c.record_id,"
            " COALESCE(c.present, FALSE) AS present, COALESCE(c.incarnation, 0) AS incarnation,"
            " COALESCE(c.revision, 0) AS revision,"
            " COALESCE(r.attempts, 0) AS attempts, r.code AS reject_code, r.outcome AS reject_outcome,"
            f" {self._kind()} AS kind, {self._state()} AS state"
            f" FROM marked AS m FULL OUTER JOIN confirmed AS c ON m.{KEY} = c.key"
            f" FULL OUTER JOIN rejects AS r ON COALESCE(m.{KEY}, c.key) = r.key"
        )

    def _kind(self) -> str:
        basis = _literal(self.basis)
        return (
            f"CASE WHEN m.{FAULT} IS NOT NULL THEN 'faulty'"
            f" WHEN m.{KEY} IS NULL AND (c.key IS NULL OR NOT c.present) THEN 'gone'"
            f" WHEN m.{KEY} IS NULL THEN 'removed'"
            " WHEN c.key IS NULL OR NOT c.present THEN 'added'"
            f" WHEN m.fingerprint IS DISTINCT FROM c.fingerprint OR c.basis IS DISTINCT FROM {basis}"
            f" OR c.recheck OR r.key IS NOT NULL{' OR TRUE' if self.scope.full else ''} THEN 'changed'"
            " ELSE 'unchanged' END"
        )

    def _state(self) -> str:
        same = f"r.fingerprint IS NOT DISTINCT FROM m.fingerprint AND r.basis = {_literal(self.basis)}"
        if self.scope.unknown:
            return "'due'"
        if self.scope.rejects_only or self.scope.keys:
            return "CASE WHEN r.outcome = 'unknown' THEN 'unknown' ELSE 'due' END"
        return (
            # First: a row of unknown fate stays so when it leaves the model, or it would be new when it returns.
            "CASE WHEN r.outcome = 'unknown' THEN 'unknown'"
            f" WHEN m.{KEY} IS NULL AND (c.key IS NULL OR NOT c.present) THEN 'due'"
            f" WHEN r.outcome = 'failed' AND NOT r.due AND {same} THEN 'waiting'"
            f" WHEN r.outcome IN ('invalid', 'rejected', 'conflict') AND {same} THEN 'held'"
            " ELSE 'due' END"
        )

    def _judged(self) -> "exp.Expr":
        # A record that is gone, and that no reject speaks of, is nobody's business any more.
        conditions = ["(kind <> 'gone' OR reject_code IS NOT NULL)"]
        if self.scope.keys:
            conditions.append(f"key IN ({', '.join(map(_literal, self.scope.keys))})")
        if self.scope.unknown:
            conditions.append("reject_outcome = 'unknown'")
        if self.scope.rejects_only:
            conditions.append("reject_code IS NOT NULL")
        if self.scope.code is not None:
            conditions.append(f"reject_code = {_literal(self.scope.code)}")
        return self._parsed(f"SELECT * FROM joined WHERE {' AND '.join(conditions)}")

    def _parsed(self, text: str) -> "exp.Expr":
        return parse_one(text, dialect=self.dialect.name)


def _literal(text: str) -> str:
    return exp.Literal.string(text).sql()
