"""How answers are laid out: a table in plain text, JSON, and text from elsewhere made harmless for a terminal."""

import json
import re
from collections.abc import Iterable, Sequence

_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


def plain(text: object) -> str:
    """*text* on one line, without what could drive a terminal."""
    return " ".join(_UNSEEN.sub(" ", str(text)).split())


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A heading and a line for each row, in columns two blanks apart. None is an empty cell, a boolean yes or no."""
    lines = [[plain(header) for header in headers], *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_line(cells, widths) for cells in lines)


def as_json(value: object) -> str:
    """*value* as JSON for people and programs. What JSON has no form for becomes text."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def counted(number: int, one: str) -> str:
    """*number* of what is called *one*: ``1 sync``, ``2 syncs``."""
    return f"{number} {one}" if number == 1 else f"{number} {one}s"


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else plain(value)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
