"""What engines say, fit to be shown: on one line, and without a value of a row."""

import re

QUOTES = "'\"`«»\u2039\u203a„“”\u201a\u2018\u2019「」"
"""Of every language in which PostgreSQL speaks."""

MASK = "***"

# A value may hold quotes of its own, so all between the first and the last one goes; one that is cut off has no last.
_QUOTED = re.compile(f"[{QUOTES}](?:.*[{QUOTES}]|.*)", re.DOTALL)
_NUMBER = re.compile(r"(?<!\w)[-+]?\d[\w.,:+-]*")


def one_line(message: str) -> str:
    """*message* with its lines joined by ``; ``, and without the empty ones."""
    return "; ".join(line.strip() for line in message.splitlines() if line.strip())


def without_values(message: str) -> str:
    """*message* about a value that cannot be taken, without that value: nothing quoted is left, and no number."""
    unquoted = _QUOTED.sub(MASK, message.replace("can't", "cannot"))
    return _NUMBER.sub(MASK, unquoted)
