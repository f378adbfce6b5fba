"""What can be wrong with a table or its file: one class for each thing a person does next."""

from __future__ import annotations

from typing import ClassVar

from appliance.errors import KagimoriError


class TableError(KagimoriError):
    """Base of everything that reading and writing of tables raises. No message holds what is in a cell of a row."""


class ColumnMissing(TableError):
    """The column named is not in the header, or is there twice."""

    exit_code: ClassVar[int] = 2


class FormatUnknown(TableError):
    """Neither the file's name nor an option says what format it is, or the option is none that is known."""

    exit_code: ClassVar[int] = 2


class ParquetMissing(TableError):
    """Parquet needs an optional library that is not installed."""

    exit_code: ClassVar[int] = 3


class TableWrong(TableError):
    """The file is no table of its format, or cannot be read to its end as one."""


class TableChanged(TableError):
    """The input changed while it was read."""


class TableUnusable(TableError):
    """A file or folder cannot be read or written."""

    exit_code: ClassVar[int] = 3


class PartialDamaged(TableUnusable):
    """A partial file is not what the checkpoint says of it."""


class OutputExists(TableUnusable):
    """A file of the final name is there already; nothing is overwritten."""
