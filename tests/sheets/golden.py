"""The golden sheets: which there are, and how each is made from the fixed ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from appliance.bilingual import Language
from appliance.ledger import canonical
from keyceremony.sheets import minutes, script
from keyceremony.sheets.steps import Commands
from keyceremony.sheets.wording import LANGUAGES
from keyceremony.table.papers import Paper

from . import fixedledger
from .fixedledger import FixedLedger

FOLDER = Path(__file__).parent / "golden"
WHERE = ("--config", "kagimori.toml")


def script_of(number: int, languages: Sequence[Language] = LANGUAGES, ledger: FixedLedger | None = None) -> bytes:
    """The script of an entry's plan, as it was before the entry."""
    entries = (ledger or fixedledger.ledger()).entries
    plan = entries[number - 1].plan
    path = f"ledger/pending/{number:06}.plan.json"
    state = entries[number - 2].state if number > 1 else None
    commands = Commands(path, "ledger", WHERE, WHERE)
    return script.html(Paper(Path(path), canonical.encode(plan), plan), state, languages, commands)


def minutes_of(number: int, languages: Sequence[Language] = LANGUAGES, ledger: FixedLedger | None = None) -> bytes:
    """The minutes of an entry."""
    made = ledger or fixedledger.ledger()
    source = minutes.Source(tuple(made.entries), made.files, Path("ledger"), "ledger")
    return minutes.html(source, number, languages)


SHEETS: dict[str, Callable[[], bytes]] = {
    "script-genesis-rehearsal": lambda: script_of(1, ledger=fixedledger.rehearsal()),
    "script-first-keys": lambda: script_of(3),
    "script-destroy": lambda: script_of(9),
    "script-roster": lambda: script_of(10),
    "script-restore": lambda: script_of(12),
    "script-enroll-clone": lambda: script_of(5, ledger=fixedledger.cloned()),
    "script-retire-census": lambda: script_of(10, ledger=fixedledger.cloned()),
    "minutes-genesis-rehearsal": lambda: minutes_of(1, ledger=fixedledger.rehearsal()),
    "minutes-first-keys": lambda: minutes_of(3),
    "minutes-second-backup": lambda: minutes_of(4),
    "minutes-policy": lambda: minutes_of(5),
    "minutes-roster": lambda: minutes_of(10),
    "minutes-restore": lambda: minutes_of(12),
    "minutes-enroll-clone": lambda: minutes_of(5, ledger=fixedledger.cloned()),
}
