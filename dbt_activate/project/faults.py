"""Gathers what is wrong in a project, so that all of it is told at once."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import ParamSpec, TypeVar

from dbt_activate.errors import ConfigError, Problem
from dbt_activate.project.tokens import token_like

_P = ParamSpec("_P")
_T = TypeVar("_T")

_LONGEST_SHOWN = 60
_MOST_LISTED = 30
_NAMES: Mapping[type, str] = {dict: "a mapping", list: "a list", type(None): "nothing"}


class Faults:
    """The problems found so far, each one once, in the order in which they were found."""

    def __init__(self) -> None:
        self._problems: dict[Problem, None] = {}

    def add(self, place: object, fault: str, remedy: str = "") -> None:
        """Note one problem; *place* is a file or a :class:`~dbt_activate.values.sync.Location`."""
        self._problems[Problem(str(place), fault, remedy)] = None

    def extend(self, problems: Iterable[Problem]) -> None:
        """Note several problems."""
        self._problems.update(dict.fromkeys(problems))

    def attempt(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T | None:
        """Return what *work* returns; None where it raises ConfigError, whose problems are noted."""
        try:
            return work(*args, **kwargs)
        except ConfigError as error:
            self.extend(error.problems)
            return None

    def __len__(self) -> int:
        return len(self._problems)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All of them."""
        return tuple(self._problems)

    def error(self) -> ConfigError:
        """All of them as one error."""
        return ConfigError(self.problems)

    def settle(self) -> None:
        """Return where nothing is wrong.

        Raises:
            ConfigError: With all that is.
        """
        if self._problems:
            raise self.error()


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question that names the known word closest to *word*; empty where none is close."""
    names = list(known)
    alike = [name for name in names if name.casefold() == word.casefold()]
    close = alike or difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else ""


def choice(word: str, known: Iterable[str], *, what: str = "there are") -> str:
    """The way out of a wrong name: the close one, else all of them, in their order, introduced by *what*."""
    names = list(known)
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return did_you_mean(word, names) or (
        f"{what}: {', '.join(names[:_MOST_LISTED])}{more}" if names else "there are none"
    )


def shown(value: object) -> str:
    """*value* as it may stand in a message: short, and never a secret."""
    if isinstance(value, str):
        harmless = len(value) <= _LONGEST_SHOWN and token_like(value) is None
        return f"'{value}'" if harmless else "this text"
    if isinstance(value, bool):
        return str(value).lower()
    return _NAMES.get(type(value), str(value))
