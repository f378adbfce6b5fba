"""How a configuration is read: one strict TOML file, unknown keys refused, errors name file and key.

Relative paths are relative to the file, so that a configuration can be moved together with what it names.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import msgspec

from appliance.errors import KagimoriError

LARGEST_FILE = 65_536


class ConfigurationError(KagimoriError):
    """The configuration cannot be used; the message names the file and the key."""

    exit_code: ClassVar[int] = 3


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file, or the whole file."""


S = TypeVar("S", bound=Section)


def load(path: Path, kind: type[S], hint: str) -> S:
    """What is in a file, as a ``kind``. ``hint``: where its keys are explained.

    Raises:
        ConfigurationError: it cannot be read, anybody may write to it, it is not TOML, or a key is missing, unknown or
            has a value that cannot be.
    """
    try:
        return msgspec.toml.decode(_read(path), type=kind, dec_hook=_paths_below(path.absolute().parent))
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{path}: {_in_toml_words(error)}", hint) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{path}: not TOML ({error})", "correct the line it names") from None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}", "name an existing configuration file") from None
    if status.st_mode & stat.S_IWOTH:  # it says whom to believe
        raise ConfigurationError(f"{path}: anybody may write to it", f"chmod o-w {path}")
    if len(content) > LARGEST_FILE:
        raise ConfigurationError(f"{path}: larger than {LARGEST_FILE} bytes", "is this the right file?")
    return content


def _paths_below(base: Path) -> Any:
    """The hook by which msgspec makes paths."""

    def to_path(wanted: type, value: object) -> Path:
        if wanted is not Path or not isinstance(value, str) or not value or "\0" in value:
            raise ValueError("Expected a path")
        return base / value

    return to_path


def _in_toml_words(error: msgspec.ValidationError) -> str:
    """``Expected `int` - at `$.engine.processes``` becomes ``[engine.processes] Expected `int```."""
    text, separator, place = str(error).rpartition(" - at `$.")
    return f"[{place.rstrip('`')}] {text}" if separator else str(error)
