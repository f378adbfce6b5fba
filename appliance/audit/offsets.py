"""Where each record starts in its segment: a hint in a file of its own, so that one record is read with two reads.

``offsets/000000000`` holds, for each record of the segment of that name, 8 bytes (little-endian). It is derived
from the segment and never trusted: who follows a hint checks the hash of what it finds there. So a hint that is
missing, or could not be written, costs time and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from struct import Struct, pack

from appliance.audit import smallfiles
from appliance.audit.errors import AuditError, AuditUnusable
from appliance.audit.smallfiles import open_regular

FOLDER = "offsets"

_OFFSET = Struct("<Q")


class Offsets:
    """The folder of hints. One thread writes; any thread reads."""

    def __init__(self, directory: Path) -> None:
        self.folder = directory / FOLDER
        self._writing: tuple[int, int] | None = None  # segment, descriptor

    def path(self, number: int) -> Path:
        """Where the hints of a segment are."""
        return self.folder / f"{number:09d}"

    def write(self, number: int, index: int, starts: Sequence[int]) -> None:
        """Note where the records of a segment start, from its record ``index`` on. A failure is borne."""
        with suppress(OSError, AuditUnusable):
            os.pwrite(self._descriptor(number), pack(f"<{len(starts)}Q", *starts), index * _OFFSET.size)

    def _descriptor(self, number: int) -> int:
        if self._writing is None or self._writing[0] != number:
            self.close()
            self._writing = number, open_regular(self.path(number), os.O_RDWR | os.O_CREAT)
        return self._writing[1]

    def replace(self, number: int, starts: Sequence[int]) -> None:
        """Make the file of a segment say exactly this. A failure is borne."""
        data = pack(f"<{len(starts)}Q", *starts)
        with suppress(OSError, AuditError):
            if smallfiles.read(self.path(number)) != data:
                smallfiles.replace(self.path(number), data)

    def find(self, number: int, index: int) -> int | None:
        """Where a record probably starts."""
        try:
            descriptor = open_regular(self.path(number), os.O_RDONLY)
        except (OSError, AuditUnusable):
            return None
        try:
            data = os.pread(descriptor, _OFFSET.size, index * _OFFSET.size)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        return _OFFSET.unpack(data)[0] if len(data) == _OFFSET.size else None

    def remove(self, number: int) -> None:
        """Forget a segment."""
        with suppress(OSError):
            self.path(number).unlink(missing_ok=True)

    def close(self) -> None:
        """Give the file that is being written up."""
        if self._writing is not None:
            os.close(self._writing[1])
            self._writing = None
