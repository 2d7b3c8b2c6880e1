"""How answers are laid out: tables, JSON, CSV, Markdown; text from elsewhere is safe wherever it is shown."""

import re
import shutil
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from io import StringIO
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from dbt_activate.values.json import Json

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table

# What JSON has no form for, a driver's own type, becomes text.
_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=str)

FALLBACK = (160, 24)
"""Columns and lines where there is no terminal."""

UNFOLDED = 100_000
"""Columns for a table of which each row stays on its line, for grep."""

LONGEST = 72
"""So many characters of a value are shown to a person; JSON has all of it."""

JOINERS = "\u200c\u200d"
"""Not printable by themselves, and a part of many scripts and emoji."""

FORMULA_STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
CODE = re.compile(r"[^`|\\]+")


class Mark(StrEnum):
    """What stands in the place of a value."""

    MASKED = "***"
    ABSENT = ""


Shown: TypeAlias = "Json | Mark"


def visible(text: str) -> str:
    r"""*text* with every control character, and all else that a terminal might obey, as ``\uXXXX``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in JOINERS else _escaped(c) for c in text)


def visible_lines(text: str) -> str:
    """:func:`visible`, with the line breaks left as they are."""
    return "\n".join(map(visible, text.splitlines()))


def one_line(text: object) -> str:
    """:func:`visible`, with each run of blanks and line breaks as one blank."""
    return visible(" ".join(str(text).split()))


def spelled(value: Shown, most: int | None = LONGEST) -> str:
    """A value of a row as JSON on one line, cut after *most* characters; a mark as it is."""
    if isinstance(value, Mark):
        return value.value
    text = visible(_encoder.encode(value).decode())
    return text if most is None or len(text) <= most else text[: most - 1] + "…"


def json_text(document: object, *, indent: int = 2) -> str:
    """*document* as JSON that is safe on a terminal; on one line where *indent* is 0.

    Times end in ``Z``, decimals are exact.
    """
    text = msgspec.json.format(_encoder.encode(document), indent=indent).decode()
    return "\n".join(visible(line) for line in text.split("\n"))


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A CSV file in which no cell is taken for a formula by a spreadsheet."""
    import csv

    file = StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_csv_cell(value) for value in row] for row in rows)
    return file.getvalue().removesuffix("\n")


def moment(at: datetime | None) -> str:
    """A time of day in UTC to the second; empty for None."""
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""


def inline_code(text: str) -> str:
    """*text* as code in Markdown: in a table, too, and whatever is in it."""
    text = visible(text)
    if CODE.fullmatch(text) and text == text.strip():
        return f"`{text}`"
    # Entities are read after tables and emphasis, and nobody is notified out of a code element.
    return "<code>" + "".join(c if c.isalnum() or c == " " else f"&#{ord(c)};" for c in text) + "</code>"


def fenced(lines: Iterable[str], language: str) -> str:
    """*lines* as a code block of Markdown, with a fence that is longer than any in it."""
    body = "\n".join(lines)
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{body}\n{fence}"


def rendered(parts: "Iterable[RenderableType]", *, color: bool, width: int | None = None) -> str:
    """*parts*, one below the other, folded at *width* or else at the terminal's; no trailing blanks."""
    from rich.console import Console

    file = StringIO()
    console = Console(
        file=file,
        width=width or shutil.get_terminal_size(FALLBACK).columns,
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


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A heading and a line for each row. None is an empty cell, a boolean yes or no."""
    return rendered([columns(header, (map(_word, row) for row in rows), ruled=False)], color=False, width=UNFOLDED)


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else one_line(value)


def columns(
    header: Iterable[str], rows: Iterable[Iterable[str]], *, numbers: Collection[str] = (), ruled: bool = True
) -> "Table":
    """A table with a rule below its heading. The columns named in *numbers* stand to the right."""
    from rich import box
    from rich.table import Table

    found = Table(box=box.SIMPLE_HEAD if ruled else None, show_edge=False, pad_edge=False, header_style="dim")
    for name in header:
        found.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        found.add_row(*map(_cell, row))
    return found


def facts_table(title: str, facts: Iterable[tuple[str, str]]) -> "Group":
    """A title, and below it one line for each fact: its name, and what it is."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    rows = grid()
    for name, text in facts:
        rows.add_row(Text(name, style="dim"), _cell(text))
    return Group(Text(visible(title), style="bold"), Padding(rows, (0, 0, 0, 2)))


def grid() -> "Table":
    """A table of two columns without heading: names, and what folds."""
    from rich.table import Table

    found = Table.grid(padding=(0, 2))
    found.add_column(no_wrap=True)
    found.add_column(overflow="fold")
    return found


STYLES = {
    **dict.fromkeys(("success", "succeeded"), "green"),
    **dict.fromkeys(("partial", "deferred", "blocked", "interrupted", "crashed"), "yellow"),
    **dict.fromkeys(("unknown", "conflict", "aborted"), "yellow"),
    **dict.fromkeys(("invalid", "rejected", "failed"), "red"),
    "unchanged": "dim",
    "running": "cyan",
}
"""Word to colour: the same in every table."""


def _cell(text: str) -> "RenderableType":
    from rich.text import Text

    return Text(visible_lines(text), style=STYLES.get(text, ""))


def _csv_cell(value: object) -> str:
    text = "" if value is None else visible(str(value))
    formula = text.lstrip().startswith(FORMULA_STARTS) and not NUMBER.fullmatch(text)
    return f"'{text}" if formula else text


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
