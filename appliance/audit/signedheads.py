"""What was signed and cosigned of the log last: two notes beside it, which it must bear out."""

from __future__ import annotations

from pathlib import Path

from appliance.audit import smallfiles
from appliance.audit.errors import AuditDamaged, AuditRolledBack
from appliance.audit.levels import Head, Levels
from appliance.tlog import checkpoint, note
from appliance.tlog.errors import TlogError


class SignedHead:
    """One signed note of the log, ``checkpoint`` or ``cosigned``.

    ``note`` and ``head`` are None as long as there is none. Its signatures are not verified here: the keys are in
    the ledger.

    Raises:
        AuditUnusable: the system refuses.
        AuditDamaged: the file holds no checkpoint.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._path = directory / name
        self.note: bytes | None = smallfiles.read(self._path)
        self.head = None if self.note is None else self._parse(self.note)

    @property
    def size(self) -> int:
        """How many records it covers."""
        return 0 if self.head is None else self.head.size

    def _parse(self, data: bytes) -> Head:
        try:
            found = checkpoint.parse_text(note.parse(data).text)
        except TlogError as error:
            raise AuditDamaged(f"audit log {self._path}: {error.message}") from None
        return Head(found.size, found.root)

    def require(self, levels: Levels) -> None:
        """Hold it against the tree.

        Raises:
            AuditRolledBack: the log is shorter, or another one.
        """
        if self.head is not None:
            require_behind(levels, self.head, f"its {self._path.name}")

    def store(self, data: bytes, levels: Levels) -> None:
        """Put a newer note in its place, durably.

        Raises:
            AuditDamaged: it is no checkpoint.
            AuditRolledBack: it is not of this log as it is.
            OSError: it could not be written; the one before is still there.
        """
        head = self._parse(data)
        require_behind(levels, head, f"the new {self._path.name}")
        smallfiles.replace(self._path, data)
        self.head, self.note = head, data


def require_behind(levels: Levels, head: Head, who: str) -> None:
    """Hold the log against a size and root that ``who`` says it had.

    Raises:
        AuditRolledBack: the log is shorter, or another one.
    """
    folder = levels.path(0).parent
    if levels.size < head.size:
        raise AuditRolledBack(f"audit log {folder}: it holds {levels.size} records; {who} says {head.size}")
    if levels.root(head.size) != head.root:
        raise AuditRolledBack(
            f"audit log {folder}: its first {head.size} records are others than {who} says: "
            f"root {levels.root(head.size).hex()} instead of {head.root.hex()}"
        )
