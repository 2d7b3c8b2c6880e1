"""The primary key that a model declares to dbt."""

from collections.abc import Iterator

from dbt_activate.project.manifest import Manifest, Node


def declared_key(manifest: Manifest, node: Node) -> tuple[str, ...]:
    """The columns of the primary-key constraint, else the single column tested to be unique and not null; else none."""
    constrained = next(_constrained(node), ())
    if constrained:
        return constrained
    tested = tested_keys(manifest, node)
    if tested:
        return tested if len(tested) == 1 else ()
    # dbt also calls a column a key that has only a `unique` test: that leaves NULLs possible.
    listed = tuple(node.primary_key or ())
    return listed if len(listed) == 1 and not _tests(manifest, node, "unique") else ()


def tested_keys(manifest: Manifest, node: Node) -> tuple[str, ...]:
    """The columns that each have both a ``unique`` and a ``not_null`` test, sorted."""
    return tuple(sorted(_tests(manifest, node, "unique") & _tests(manifest, node, "not_null")))


def _constrained(node: Node) -> Iterator[tuple[str, ...]]:
    for constraint in node.constraints or ():
        if constraint.type == "primary_key" and constraint.columns:
            yield tuple(constraint.columns)
    for name, column in (node.columns or {}).items():
        if any(constraint.type == "primary_key" for constraint in column.constraints or ()):
            yield (name,)


def _tests(manifest: Manifest, node: Node, name: str) -> set[str]:
    tests = (test for _, test in manifest.tests_of(node.unique_id) if test.test_metadata)
    return {
        test.column_name
        for test in tests
        if test.column_name and test.test_metadata and test.test_metadata.name == name
    }
