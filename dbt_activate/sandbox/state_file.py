"""The file that keeps a sandbox's records between two starts."""

import os
import tempfile
from pathlib import Path

import msgspec

from dbt_activate.errors import ConfigError, Problem
from dbt_activate.sandbox.crm import CrmState
from dbt_activate.sandbox.hooks import HookRecord

VERSION = 1


class State(msgspec.Struct, kw_only=True):
    """All records of a sandbox, the CRM's and the receivers'."""

    version: int = VERSION
    crm: CrmState
    hooks: dict[str, list[HookRecord]]


def load(path: Path) -> State | None:
    """Read *path*; None where there is no such file.

    Raises:
        ConfigError: It is not a state file, or one of another version.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(Problem(str(path), f"cannot be read: {error.strerror}")) from error
    try:
        state = msgspec.json.decode(content, type=State)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem = Problem(str(path), f"is no state file of a sandbox: {error}", "move it away to start with no records")
        raise ConfigError(problem) from error
    if state.version != VERSION:
        remedy = "move it away to start with no records"
        raise ConfigError(Problem(str(path), f"has version {state.version}, this sandbox writes {VERSION}", remedy))
    return state


def save(path: Path, content: bytes) -> None:
    """Put *content* into *path* whole: after a crash the file holds what it held before, or this.

    Raises:
        ConfigError: The file cannot be written.
    """
    try:
        _replace(path, content)
    except OSError as error:
        raise ConfigError(Problem(str(path), f"cannot be written: {error.strerror}")) from error


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
