"""The hub's journal: a line for each move of a question, durable before the move counts; all states come from it alone.

JSON lines (`appliance.hubkit.hubmoves`), appended and synced, mode 0600. A last line that a crash has torn is cut off
at the next opening; any other flaw is refused.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from io import BufferedReader, FileIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from msgspec.structs import replace

from appliance.durable import sync_folder
from appliance.hubkit.exchange import ENDED, IllegalMove, State
from appliance.hubkit.exchangeerrors import InHand, JournalDamaged, JournalUnusable
from appliance.hubkit.hubmoves import LONGEST_LINE, Key, Line, check, decode, encode
from appliance.hubkit.legalbasis import day_of


class HubJournal:
    """The open journal, for one hub process, whose threads may share it.

    ``cut``: how many bytes of a torn last line were cut off at opening.

    Raises:
        JournalUnusable: it cannot be opened, or another hub has it. JournalDamaged: a line is not what a hub writes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.turn = threading.RLock()
        self.cut = 0
        self._length = 0
        self._count = 0
        self._open: dict[Key, Line] = {}
        self._ended: dict[Key, State] = {}
        self._people: defaultdict[tuple[str, date], int] = defaultdict(int)
        self._in_hand: set[Key] = set()
        self._file = self._opened()
        try:
            self._read()
        except BaseException:
            self._file.close()
            raise

    # --- what it says -------------------------------------------------------------------------------

    def state(self, key: Key) -> State | None:
        """The state of a question; None: never heard of."""
        with self.turn:
            return self._open[key].state if key in self._open else self._ended.get(key)

    def last(self, key: Key) -> Line | None:
        """The last line about a question that has not ended."""
        return self._open.get(key)

    def open_questions(self) -> list[Line]:
        """The last line of every question that has not ended, the oldest first."""
        with self.turn:
            return sorted(self._open.values(), key=lambda line: line.n)

    def people_on(self, basis: str, day: date) -> int:
        """How many people were asked about under a legal basis on a day of Japan."""
        return self._people[basis, day]

    # --- writing ------------------------------------------------------------------------------------

    def write(self, *lines: Line) -> None:
        """Append moves and wait until they are on the disk, all or, but for a crash, none.

        Raises:
            IllegalMove: the question cannot make that move; nothing was written.
            JournalUnusable: they are not on the disk.
        """
        with self.turn:
            if self._file.closed:
                raise JournalUnusable(f"the hub's journal {self.path} is closed")
            numbered = [replace(line, n=self._count + n) for n, line in enumerate(lines, start=1)]
            self._check_moves(numbered)
            try:
                self._append(b"".join(map(encode, numbered)))
            except ValueError as error:
                raise JournalUnusable(f"the hub's journal {self.path} has no words for this ({error})") from None
            except OSError as error:
                raise JournalUnusable(
                    f"the hub's journal {self.path} cannot be written ({error.strerror})",
                    "nothing was exchanged; make room, or put the file back",
                ) from None
            for line in numbered:
                self._take(line)

    def _check_moves(self, lines: list[Line]) -> None:
        states: dict[Key, State | None] = {}
        for line in lines:
            states[line.key] = check(line, states.get(line.key, self.state(line.key)))

    def _append(self, data: bytes) -> None:
        """As the audit log's tail does: what could not be written whole is cut off again."""
        self._check_place()
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file.fileno(), rest) :]
            os.fsync(self._file.fileno())
        except BaseException:
            self._file.truncate(self._length)
            raise
        self._length += len(data)

    def _check_place(self) -> None:
        here, there = os.fstat(self._file.fileno()), self.path.lstat()
        if (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino):
            raise FileNotFoundError(errno.ENOENT, "it was moved away or replaced")
        if here.st_size != self._length:
            raise OSError(errno.EIO, "something else wrote to it")

    @contextmanager
    def holding(self, key: Key) -> Iterator[None]:
        """Keep a question to one thread as long as it is carried.

        Raises:
            InHand: another thread carries it.
        """
        with self.turn:
            if key in self._in_hand:
                raise InHand(f"the question {key[1]} is being carried just now", "wait for its answer")
            self._in_hand.add(key)
        try:
            yield
        finally:
            with self.turn:
                self._in_hand.discard(key)

    def is_held(self, key: Key) -> bool:
        """Whether a thread carries the question now."""
        return key in self._in_hand

    # --- opening ------------------------------------------------------------------------------------

    def _opened(self) -> FileIO:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            descriptor = os.open(self.path, flags, 0o600)
            sync_folder(self.path.parent)
        except OSError as error:
            raise JournalUnusable(f"the hub's journal {self.path} cannot be opened ({error.strerror})") from None
        file = FileIO(descriptor, "r+")
        try:
            self._lock(descriptor)
        except BaseException:
            file.close()
            raise
        return file

    def _lock(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or stat.S_IMODE(status.st_mode) & 0o077:
            raise JournalUnusable(f"the hub's journal {self.path} is not a file of its owner's alone", "chmod 600 it")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalUnusable(
                f"the hub's journal {self.path}: another hub writes it", "stop that one, or share its journal object"
            ) from None

    def _read(self) -> None:
        reader = BufferedReader(self._file)
        for line in self._decoded(reader):
            try:
                check(line, self.state(line.key))
            except IllegalMove as error:
                raise self._damaged(line.n, str(error)) from None
            self._take(line)
        reader.detach()  # else it would take the file with it
        self._cut_off()

    def _decoded(self, file: BinaryIO) -> Iterator[Line]:
        while (data := file.readline(LONGEST_LINE + 1)).endswith(b"\n"):
            number = self._count + 1
            try:
                line = decode(data)
            except ValueError as error:
                raise self._damaged(number, str(error)) from None
            if line.n != number:
                raise self._damaged(number, f"is numbered {line.n}")
            self._length += len(data)
            yield line
        if len(data) > LONGEST_LINE:
            raise self._damaged(self._count + 1, f"longer than {LONGEST_LINE} bytes")

    def _cut_off(self) -> None:
        """Durably, before anything is written behind it."""
        self.cut = os.fstat(self._file.fileno()).st_size - self._length
        if self.cut:
            self._file.truncate(self._length)
        os.fsync(self._file.fileno())  # of what a killed hub wrote, too

    def _damaged(self, number: int, why: str) -> JournalDamaged:
        return JournalDamaged(
            f"the hub's journal {self.path}, line {number}: {why}",
            "somebody changed it; put it aside as evidence, and compare the appliance's log by reference",
        )

    def _take(self, line: Line) -> None:
        self._count = line.n
        if line.move == "approve" and line.basis is not None:
            self._people[line.basis, day_of(line.time)] += line.people
        if line.state in ENDED:
            self._open.pop(line.key, None)
            self._ended[line.key] = line.state
        else:
            self._open[line.key] = line

    def close(self) -> None:
        """Give the file, and with it the lock, up."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
