"""The folder of a rehearsal, always a new one: what lies where in it, and that no real ledger lies around it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.ledger import plan as plans
from keyceremony import workspace
from keyceremony.errors import FileProblem, OutputExists
from keyceremony.rehearsal.errors import NotThrowAway, TokenNotMade

_NOTICE = """REHEARSAL 演習

Nothing in this folder is real. Tokens, keys and people were made for a rehearsal; the ledger is marked as one and has
another trust anchor, so that no appliance takes it for its own. The folder can be removed at any time.

originals/        the plans that were rehearsed, byte for byte
ledger/           what the rehearsal made of them
translation.json  which plan, token and person stands for which
tokens/  pins/    throw-away SoftHSM tokens, and their PINs
"""


@dataclass(frozen=True)
class Folder:
    """Paths only; `create` makes it."""

    root: Path

    @property
    def ledger(self) -> Path:
        """The rehearsal's own ledger."""
        return self.root / "ledger"

    @property
    def tokens(self) -> Path:
        """SoftHSM's token folder."""
        return self.root / "tokens"

    @property
    def configuration(self) -> Path:
        """SoftHSM's configuration, which knows that token folder and no other."""
        return self.root / "softhsm2.conf"

    @property
    def pins(self) -> Path:
        """PIN files, by the entry that takes the token into use: labels can hold what file names cannot."""
        return self.root / "pins"

    @property
    def originals(self) -> Path:
        """The original plans."""
        return self.root / "originals"

    @property
    def translation(self) -> Path:
        """What stands for what, for people."""
        return self.root / "translation.json"

    def pin(self, entry: int, *, so: bool = False) -> Path:
        """The PIN of the token that an entry takes into use; ``so``: its security officer's."""
        return self.pins / f"{entry:06}.{'so-pin' if so else 'pin'}"

    def plans(self) -> list[tuple[bytes, plans.Plan]]:
        """The original plans, in order.

        Raises:
            LedgerError, FileProblem: one cannot be read.
        """
        found = [workspace.read(path) for path in sorted(self.originals.glob("*.plan.json"))]
        return [(data, plans.parse(data)) for data in found]

    @property
    def softhsm_configuration(self) -> str:
        """What `configuration` must hold."""
        return (
            f"directories.tokendir = {self.tokens}\n"
            "objectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n"
            "slots.mechanisms = ALL\nlibrary.reset_on_fork = false\n"
        )

    def discard(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.root)


def create(path: Path, originals: Sequence[bytes], ledger: Path | None) -> Folder:
    """A new folder with the original plans in it; ``ledger``: the real one, which it must not lie in.

    Raises:
        NotThrowAway: it would lie in the real ledger's folder.
        OutputExists: something of that name is there.
        FileProblem: it cannot be made.
    """
    folder = Folder(path.resolve())
    if ledger is not None and folder.root.is_relative_to(ledger.resolve()):
        raise NotThrowAway(f"{path}: lies in the real ledger {ledger}", "give --folder DIR, a folder elsewhere")
    workspace.check_absent(path, "give --folder DIR, a folder that is not there yet")
    try:
        for made in (folder.root, folder.tokens, folder.pins, folder.originals):
            made.mkdir(mode=0o700)
        (folder.root / "REHEARSAL.txt").write_text(_NOTICE, encoding="utf-8")
    except FileExistsError:
        raise OutputExists(f"{path}: exists already; nothing is overwritten") from None
    except OSError as error:
        raise FileProblem(f"{path}: cannot be made ({error.strerror})", "give --folder DIR, a place to write") from None
    workspace.create(folder.configuration, folder.softhsm_configuration.encode())
    for sequence, data in enumerate(originals, start=1):
        workspace.create(folder.originals / f"{sequence:06}.plan.json", data)
    return folder


@contextmanager
def kept(folder: Folder, keep: bool) -> Iterator[None]:
    """Remove the folder at the end, unless it is to be kept and there is something in it to look at."""
    try:
        yield
    except (NotThrowAway, TokenNotMade):
        keep = False
        raise
    finally:
        if not keep:
            folder.discard()
