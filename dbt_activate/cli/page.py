"""A page of text for a terminal, rendered to a string: without colours and trailing blanks where it goes to a file."""

import shutil
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import TYPE_CHECKING

from dbt_activate.cli.spelling import visible

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

FALLBACK = (120, 24)


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
        table.add_row(*(Text(visible(cell), style=STYLES.get(cell, "")) for cell in row))
    return table


STYLES = {
    "success": "green",
    "finished": "green",
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
