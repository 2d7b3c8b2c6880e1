"""Values as text that is safe where it is shown: on a terminal, in a pull request, in a spreadsheet."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from io import StringIO

import msgspec

from dbt_activate.cli.masks import Mark, Shown

# What JSON has no form for, a driver's own type, becomes text.
_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=str)

JOINERS = "\u200c\u200d"
"""Not printable by themselves, and a part of many scripts and emoji."""

FORMULA_STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
CODE = re.compile(r"[^`|\\]+")


def visible(text: str) -> str:
    r"""*text* with every control character, and all else that a terminal might obey, as ``\uXXXX``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in JOINERS else _escaped(c) for c in text)


def visible_lines(text: str) -> str:
    """:func:`visible`, with the line breaks left as they are."""
    return "\n".join(map(visible, text.splitlines()))


def spelled(value: Shown, most: int | None = None) -> str:
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
    writer.writerows([_cell(value) for value in row] for row in rows)
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


def _cell(value: object) -> str:
    text = "" if value is None else visible(str(value))
    formula = text.lstrip().startswith(FORMULA_STARTS) and not NUMBER.fullmatch(text)
    return f"'{text}" if formula else text


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
