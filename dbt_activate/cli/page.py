"""A page of text for a terminal, rendered to a string: without colours and trailing blanks where it goes to a file."""

import shutil
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import TYPE_CHECKING

from dbt_activate.cli.spelling import visible, visible_lines

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table

FALLBACK = (160, 24)
"""Columns and lines where there is no terminal."""


def rendered(parts: "Iterable[RenderableType]", *, color: bool) -> str:
    """*parts*, one below the other."""
    from rich.console import Console

    file = StringIO()
    console = Console(
        file=file,
        width=shutil.get_terminal_size(FALLBACK).columns,
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        highlight=False,
        markup=False,
        emoji=False,
    )
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in file.getvalue().rstrip("\n").split("\n"))


def columns(header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Iterable[str] = ()) -> "Table":
    """A table without lines. The columns named in *numbers* stand to the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim")
    right = frozenset(numbers)
    for name in header:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible_lines(cell), style=STYLES.get(cell, "")) for cell in row))
    return table


def facts_table(title: str, facts: Iterable[tuple[str, str]]) -> "Group":
    """A title, and below it one line for each fact: its name, and what it is."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in facts:
        table.add_row(Text(name, style="dim"), Text(visible_lines(text), style=STYLES.get(text, "")))
    return Group(Text(visible(title), style="bold"), Padding(table, (0, 0, 0, 2)))


STYLES = {
    "success": "green",
    "partial": "yellow",
    "deferred": "yellow",
    "succeeded": "green",
    "unchanged": "dim",
    "running": "cyan",
    "blocked": "yellow",
    "interrupted": "yellow",
    "crashed": "yellow",
    "unknown": "yellow",
    "conflict": "yellow",
    "aborted": "yellow",
    "invalid": "red",
    "rejected": "red",
    "failed": "red",
}
"""Word to colour: the same in every table."""
