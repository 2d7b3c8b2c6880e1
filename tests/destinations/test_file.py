"""Files of changes, on a real disk."""

import csv
import errno
import io
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from dbt_activate.destinations.file import File
from dbt_activate.errors import ConfigError, FatalError, RetryableError
from dbt_activate.testing.fakes import FakeClock, make_tools
from dbt_activate.values.destination import Connection, DeliveryClass
from dbt_activate.values.json import Json, JsonObject
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.payload import Batch, Payload
from dbt_activate.values.sync import ChangeKind, Operation


def make(directory: Path, clock: FakeClock | None = None, **settings: object) -> File:
    given = {"path": "out", **settings}
    connection = Connection(name="files", output="dev", type="file", settings=given, directory=str(directory))
    return File(connection, make_tools(clock=clock))


def payload(key: str, operation: Operation = Operation.UPSERT, /, **fields: Json) -> Payload:
    return Payload(
        key=key,
        change=ChangeKind.ADDED,
        operation=operation,
        fields={"id": key, **fields},
        identity={"id": key},
        payload_hash="0" * 32,
    )


def send(
    destination: File, *payloads: Payload, key: str = "k1", run_id: str = "r1", number: int = 1, to: str = "people"
) -> list[RowResult]:
    rows = tuple(destination.encode(item) for item in payloads)
    operation = payloads[0].operation
    batch = Batch(
        number=number, operation=operation, object=to, rows=rows, idempotency_key=key, sync="crm", run_id=run_id
    )
    return list(destination.send(batch))


def files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def lines(directory: Path) -> list[JsonObject]:
    return [json.loads(line) for path in files(directory) for line in path.read_text().splitlines()]


def cells(directory: Path) -> list[list[str]]:
    (path,) = files(directory)
    return list(csv.reader(io.StringIO(path.read_bytes().decode(), newline=""), strict=True))


@pytest.mark.parametrize(
    ("code", "kind", "way_out"),
    [
        (errno.ENOSPC, RetryableError, "make room"),
        (errno.EROFS, FatalError, "allow writing"),
        (errno.EIO, RetryableError, "out/people"),
    ],
)
def test_a_disk_that_fails_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[Exception], way_out: str
) -> None:
    def fail(_file: int) -> None:
        raise OSError(code, os.strerror(code))

    destination = make(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(kind, match=way_out):
            send(destination, payload("a"))
    assert files(tmp_path) == []
    send(destination, payload("a"))
    assert lines(tmp_path) == [{"id": "a"}]


def test_a_process_that_is_killed_while_it_writes_leaves_no_part_of_a_file(tmp_path: Path) -> None:
    program = f"""
import os, signal
from pathlib import Path
from dbt_activate.destinations.file import _put
os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)
_put(Path({str(tmp_path)!r}) / "people" / "a.jsonl", b"whole")
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False, env={"PYTHONPATH": os.pathsep.join(sys.path)})
    assert ended.returncode == -9
    assert list(tmp_path.rglob("*.jsonl")) == []


def test_a_path_below_a_file_is_fatal(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(FatalError, match="correct `path`"):
        make(tmp_path).check()
    with pytest.raises(FatalError, match="correct `path`"):
        send(make(tmp_path), payload("a"))


@pytest.mark.parametrize("name", [None, "", "..", "../x", "a/b", "a\\b", "nul\0", ".hidden", "{run_id}"])
def test_an_object_cannot_lead_out_of_the_directory(tmp_path: Path, name: str | None) -> None:
    with pytest.raises(ConfigError, match="names no directory"):
        make(tmp_path).describe(name)


def test_a_repeated_create_is_one_file_over_runs(tmp_path: Path) -> None:
    for run_id in ("r1", "r1", "r2"):
        results = send(make(tmp_path), payload("a", Operation.CREATE), run_id=run_id)
        assert [result.outcome for result in results] == [Outcome.SUCCEEDED]
    send(make(tmp_path), payload("a", Operation.CREATE), key="k2")
    assert len(files(tmp_path)) == 2


def test_a_repeated_create_is_one_file_where_runs_have_directories_of_their_own(tmp_path: Path) -> None:
    for run_id in ("r1", "r2"):
        send(make(tmp_path, path="[x]*/{run_id}/{object}"), payload("a", Operation.CREATE), run_id=run_id)
    assert [path.parent for path in files(tmp_path)] == [tmp_path / "[x]*" / "r1" / "people"]


def test_a_repeat_in_one_run_is_one_file_whatever_the_time(tmp_path: Path) -> None:
    clock = FakeClock()
    destination = make(tmp_path, clock)
    for _ in range(2):
        send(destination, payload("a"))
        clock._seconds += 60
    assert len(files(tmp_path)) == 1


def test_a_value_that_comes_back_to_an_earlier_one_is_written_again_and_last(tmp_path: Path) -> None:
    clock = FakeClock()
    for name, key in (("A", "k1"), ("B", "k2"), ("A", "k1")):
        clock._seconds += 60
        send(make(tmp_path, clock), payload("a", name=name), key=key)
    assert [line["name"] for line in lines(tmp_path)] == ["A", "B", "A"]


def test_files_sort_in_the_order_in_which_they_were_made_whatever_the_clock_does(tmp_path: Path) -> None:
    clock = FakeClock()
    for number, seconds in enumerate((60, 0, 0, -3600, 7200)):
        clock._seconds += seconds
        send(make(tmp_path, clock), payload("a", n=number), key=f"k{9 - number}")
    assert [line["n"] for line in lines(tmp_path)] == [0, 1, 2, 3, 4]


def test_a_key_of_any_spelling_makes_a_safe_name(tmp_path: Path) -> None:
    for key in ("../../x", "a/b", "x" * 500, "-", ""):
        for _ in range(2):
            send(make(tmp_path), payload("a", Operation.CREATE), key=key)
    assert {path.parent for path in files(tmp_path)} == {tmp_path / "out" / "people"}
    assert len(files(tmp_path)) == 5


def test_json_lines_keep_every_value(tmp_path: Path) -> None:
    values: JsonObject = {
        "text": "a\r\n\t\"'\0\u2028名🎉",
        "big": 2**70,
        "exact": Decimal("1.10"),
        "none": None,
        "yes": True,
        "nested": {"k": [1, None, {"x": "y"}]},
    }
    send(make(tmp_path), payload("a", **values))
    (path,) = files(tmp_path)
    assert path.read_bytes().count(b"\n") == 1
    assert json.loads(path.read_text(), parse_float=Decimal) == {"id": "a", **values}
    assert b"1.10" in path.read_bytes()


def test_an_envelope_says_what_is_meant(tmp_path: Path) -> None:
    destination = make(tmp_path, envelope=True)
    renamed = Payload(
        key="a",
        change=ChangeKind.CHANGED,
        operation=Operation.UPSERT,
        fields={"id": "new"},
        identity={"id": "new"},
        confirmed_identity={"id": "old"},
        payload_hash="0" * 32,
    )
    send(destination, renamed)
    send(destination, payload("b", Operation.DELETE, name="B"), number=2, key="k2")
    origin = {"sync": "crm", "run_id": "r1"}
    assert lines(tmp_path) == [
        {"operation": "upsert", "key": "a", "fields": {"id": "new"}, "renamed_from": {"id": "old"}, **origin},
        {"operation": "delete", "key": "b", "fields": {"id": "b"}, **origin},
    ]


def test_a_removal_is_offered_only_where_the_line_can_say_so(tmp_path: Path) -> None:
    assert Operation.DELETE not in make(tmp_path).describe("people").operations
    for settings in ({"envelope": True}, {"operation_column": "op"}):
        assert Operation.DELETE in make(tmp_path, **settings).describe("people").operations


def test_create_may_be_repeated_for_its_key(tmp_path: Path) -> None:
    operations = make(tmp_path).describe("people").operations
    assert operations[Operation.CREATE].delivery is DeliveryClass.IDEMPOTENCY_KEY


def test_clear_writes_nulls_under_the_identifier(tmp_path: Path) -> None:
    send(make(tmp_path, operation_column="op"), payload("a", Operation.CLEAR, name="A"))
    assert lines(tmp_path) == [{"id": "a", "name": None, "op": "clear"}]


FORMULAS = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\0x", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_a_spreadsheet_would_run_gets_a_quote(tmp_path: Path, text: str) -> None:
    send(make(tmp_path, format="csv"), payload("a", **{text: text}))
    assert cells(tmp_path) == [["id", f"'{text}"], ["a", f"'{text}"]]


def test_numbers_and_plain_texts_get_no_quote(tmp_path: Path) -> None:
    send(make(tmp_path, format="csv"), payload("a", n=-5, d=Decimal("-1.10"), t="a=b", b=True))
    assert cells(tmp_path)[1] == ["a", "-5", "-1.10", "a=b", "true"]


def test_the_formula_guard_can_be_switched_off(tmp_path: Path) -> None:
    send(make(tmp_path, format="csv", formula_guard=False), payload("a", t="=1"))
    assert cells(tmp_path)[1] == ["a", "=1"]


def test_csv_keeps_quotes_line_ends_and_the_difference_between_null_and_empty(tmp_path: Path) -> None:
    rows = [payload("a", t='x,"y"\r\nz ', e="", n=None), payload("b", other="later column")]
    send(make(tmp_path, format="csv"), *rows)
    assert cells(tmp_path) == [
        ["id", "t", "e", "n", "other"],
        ["a", 'x,"y"\r\nz ', "", "", ""],
        ["b", "", "", "", "later column"],
    ]
    (path,) = files(tmp_path)
    assert b',"",,\r\n' in path.read_bytes()


def test_check_names_the_directory_and_leaves_it_to_a_write_to_make_it(tmp_path: Path) -> None:
    account = make(tmp_path, path="x/part-{run_id}/{object}").check()
    assert account.id == f"{tmp_path}/x/part-{{run_id}}/{{object}}"
    assert make(tmp_path, path="plain").check().label == "plain"
    assert list(tmp_path.iterdir()) == []


def test_a_size_is_the_bytes_of_the_line(tmp_path: Path) -> None:
    destination = make(tmp_path)
    item = payload("a", name="名")
    send(destination, item)
    (path,) = files(tmp_path)
    assert destination.encode(item).size == path.stat().st_size
