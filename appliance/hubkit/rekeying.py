"""A sector's stored numbers after a rotation of its key: all of them become those of the new generation, or none does.

Between plan 1 of a rotation, which activates the new key, and plan 2, which restricts the old one, the sector exports
its pairs, `appliance bulk rekey` converts them, and `take` stores what came out. Numbers of two generations are never
mixed.
"""

from __future__ import annotations

from collections.abc import Iterable

from appliance.hubkit.sectorfile import SectorError, SectorFile
from appliance.hubkit.wire import domain_of


def take(file: SectorFile, old: str, new: str, pairs: Iterable[tuple[str, str]]) -> int:
    """Replace every linkage number of ``file``: (existing number, number of generation ``new``); how many.

    Raises:
        SectorError: the file's numbers are not of ``old``, ``new`` is no later generation of the same key, or the pairs
            are not about exactly those who are linked, each with a number of their own. Nothing was stored.
    """
    _check_generations(file, old, new)
    refusal, hint = "somebody or a number is there twice", "export and re-key the sector's numbers again"
    with file.writing(refusal, hint) as db:
        row = db.execute("SELECT name FROM generation").fetchone()
        if row is None or row[0] != old:
            raise SectorError(f"sector {file.letter} holds numbers of {row[0] if row else 'none'}, not of {old}")
        db.execute("CREATE TEMP TABLE rekeyed (existing TEXT PRIMARY KEY, number TEXT NOT NULL UNIQUE) STRICT")
        try:
            db.executemany("INSERT INTO rekeyed VALUES (?, ?)", pairs)
            _check_everybody(file)
            db.execute("DELETE FROM link")
            count = db.execute("INSERT INTO link SELECT existing, number FROM rekeyed").rowcount
            db.execute("UPDATE generation SET name = ?", (new,))
        finally:
            if db.in_transaction:
                db.execute("DROP TABLE rekeyed")
    return int(count)


def _check_generations(file: SectorFile, old: str, new: str) -> None:
    (domain, before), (other, after) = (_parts(name) for name in (old, new))
    if not domain == other == f"sspin.{file.letter}" or after <= before:
        raise SectorError(f"{old} → {new}: not two generations of sector {file.letter}'s key, the newer one last")


def _parts(generation: str) -> tuple[str, int]:
    number = generation.rpartition(".")[2]
    return domain_of(generation), int(number) if number.isascii() and number.isdigit() else 0


def _check_everybody(file: SectorFile) -> None:
    """Who has a number keeps one, and nobody gets one by re-keying."""
    missing, strange = file.one(
        "SELECT (SELECT count(*) FROM link WHERE existing NOT IN (SELECT existing FROM rekeyed)),"
        " (SELECT count(*) FROM rekeyed WHERE existing NOT IN (SELECT existing FROM link))"
    )
    if missing or strange:
        raise SectorError(
            f"sector {file.letter}: {missing} who are linked are missing and {strange} who are not linked are there;"
            " nothing was stored",
            "look at what the re-keying rejected, or export anew: people were linked meanwhile",
        )
