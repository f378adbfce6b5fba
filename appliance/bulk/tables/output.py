"""What every output of a job has in common: one partial file, whole, hashed, and only then published."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from appliance.bulk.tables.partial import PartialFile, digest, is_published, publish
from appliance.bulk.tables.table import Position, Show, unseen


class FileOutput:
    """An output that grows as one file, so that it can be cut back to any length: CSV.

    Raises:
        PartialDamaged: the file is not what the position says.
        TableUnusable: the system refuses.
    """

    def __init__(self, partial: Path, head: bytes, position: Position | None) -> None:
        """Begin with ``head``, or go on at a position that `sync` gave."""
        self._rows = position["rows"] if position else 0
        self._file = PartialFile(partial, position["bytes"] if position else None)
        if position is None:
            self._file.write(head)

    @property
    def rows(self) -> int:
        """Rows written so far, the header not counted."""
        return self._rows

    def sync(self) -> Position:
        """See `table.Sink.sync`."""
        return {"bytes": self._file.sync(), "rows": self._rows}

    def complete(self, show: Show = unseen) -> None:
        """See `table.Sink.complete`."""
        self._file.sync()

    def sha256(self, show: Show = unseen) -> str:
        """See `table.Sink.sha256`."""
        self.complete()
        return digest(self._file.path, show)

    def finish(self, final: Path, show: Show = unseen) -> None:
        """See `table.Sink.finish`."""
        if not is_published(self._file.path, final):
            self.complete(show)
        publish(self._file.path, final)
        self.close()

    def close(self) -> None:
        """See `table.Sink.close`."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
