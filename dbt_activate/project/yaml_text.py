"""YAML read strictly: bounded, without aliases, tags or doubled keys, and without YAML 1.1's surprises."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from dbt_activate.errors import ConfigError
from dbt_activate.project.faults import Faults
from dbt_activate.values.sync import Location

LARGEST_BYTES = 1_000_000
DEEPEST = 32
_MOST_PROBLEMS = 25

_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,17})")
_DECIMAL = re.compile(r"-?(?:0|[1-9]\d{0,17})\.\d{1,17}")
_WORDS: Mapping[str, object] = {"": None, "~": None, "null": None, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class YamlText:
    """A YAML document as values, and the line (from 1) on which each path stands."""

    value: object
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict)


def read_yaml(content: bytes, place: str) -> YamlText:
    """Read a document: plain ``true`` and ``false`` are booleans, plain decimal numbers are numbers, all else is text.

    Raises:
        ConfigError: It is not YAML, or uses what is refused; with every such place, and its line.
    """
    reader = _Reader(place)
    try:
        text = _decoded(content, place)
        return reader.document(text)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        reader.faults.add(f"{place}{line}", f"this is not YAML: {error.problem or error.context}")
    except yaml.YAMLError as error:
        reader.faults.add(place, f"this is not YAML: {str(error).splitlines()[0]}")
    except (ValueError, OverflowError) as error:
        reader.faults.add(place, f"this is not YAML: {error}")
    raise reader.faults.error()


def _decoded(content: bytes, place: str) -> str:
    if len(content) > LARGEST_BYTES:
        raise _refused(place, f"the file is larger than {LARGEST_BYTES // 1000} kB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused(place, f"the file is not UTF-8 (byte {error.start})") from error


def _refused(place: str, fault: str, remedy: str = "") -> ConfigError:
    faults = Faults()
    faults.add(place, fault, remedy)
    return faults.error()


class _Reader:
    """Builds values from the parser's events: nothing is expanded, and depth is known before it is descended."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._lines: dict[tuple[str, ...], int] = {}
        self.faults = Faults()
        self._events: Iterator[yaml.Event] = iter(())

    def document(self, text: str) -> YamlText:
        self._events = iter(yaml.parse(text, Loader=yaml.SafeLoader))
        value: object = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._refuse(event, "a second document starts here", "keep one document in the file")
                value = self._value(next(self._events), ())
        self.faults.settle()
        return YamlText(value, self._lines)

    def _value(self, event: yaml.Event, path: tuple[str, ...]) -> object:
        self._lines[path] = _line(event)
        self._check(event, path)
        match event:
            case yaml.ScalarEvent():
                return _scalar(event)
            case yaml.SequenceStartEvent():
                return self._list(path)
            case yaml.MappingStartEvent():
                return self._mapping(path)
            case _:
                return None

    def _check(self, event: yaml.Event, path: tuple[str, ...]) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._note(event, path, f"the alias *{event.anchor} is not read here", "write the value out")
            return
        for kind, sign in (("anchor", "&"), ("tag", "")):
            name = getattr(event, kind, None)
            if name:
                self._note(event, path, f"the {kind} {sign}{name} is not read here", "leave it out")
        if len(path) > DEEPEST:
            raise self._refuse(event, f"mappings and lists are nested deeper than {DEEPEST} levels")

    def _list(self, path: tuple[str, ...]) -> list[object]:
        items: list[object] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, str(len(items)))))
        return items

    def _mapping(self, path: tuple[str, ...]) -> dict[str, object]:
        items: dict[str, object] = {}
        lines: dict[str, int] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, path)
            if key in items:
                where = f"on lines {lines[key]} and {_line(event)}"
                self._note(None, (*path, key), f"the key stands twice, {where}", "keep one of them")
            items[key] = self._value(next(self._events), (*path, key))
            lines.setdefault(key, _line(event))
        return items

    def _key(self, event: yaml.Event, path: tuple[str, ...]) -> str:
        self._check(event, path)
        if not isinstance(event, yaml.ScalarEvent):
            raise self._refuse(event, "a key is a mapping, a list or an alias", "a key must be plain text")
        if event.value == "<<" and event.style is None:
            self._note(event, path, "the merge key << is not read here", "write the values out")
        return str(event.value)

    def _note(self, event: yaml.Event | None, path: tuple[str, ...], fault: str, remedy: str) -> None:
        line = f" (line {_line(event)})" if event else ""
        self.faults.add(Location(self._place, path), f"{fault}{line}", remedy)
        if len(self.faults) >= _MOST_PROBLEMS:
            raise self.faults.error()

    def _refuse(self, event: yaml.Event, fault: str, remedy: str = "") -> ConfigError:
        self.faults.add(f"{self._place}, line {_line(event)}", fault, remedy)
        return self.faults.error()


def _line(event: yaml.Event) -> int:
    return (event.start_mark.line if event.start_mark else 0) + 1


def _scalar(event: yaml.ScalarEvent) -> object:
    text = str(event.value)
    if event.style is not None:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text
