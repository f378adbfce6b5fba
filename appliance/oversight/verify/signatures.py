"""Who signed and co-signed a copy's checkpoints: the log by a key of the ledger, the witnesses of the policy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from appliance.numbers.domains import Generation
from appliance.oversight import trust as trusts
from appliance.oversight.errors import OversightError
from appliance.oversight.trust import Trust
from appliance.oversight.verify.findings import Findings
from appliance.tlog import cosignature as cosignatures
from appliance.tlog import note as notes
from appliance.tlog.checkpoint import Checkpoint, parse_text
from appliance.tlog.cosignature import Cosignature
from appliance.tlog.errors import TlogError
from appliance.tlog.note import Note, VerifierKey


@dataclass(frozen=True)
class Vouched:
    """A checkpoint that could be read. ``key``: the log key that signed it, None if nobody known did."""

    checkpoint: Checkpoint
    key: Generation | None
    cosignatures: tuple[Cosignature, ...]


def check(
    data: bytes, name: str, trust: Trust | None, witnesses: Iterable[VerifierKey], findings: Findings
) -> Vouched | None:
    """A signed checkpoint with all its signatures; what is wrong becomes findings. None: it cannot be read.

    Every signature line must be by the log or by a witness that is known: a copy has no others.
    """
    known = tuple(dict.fromkeys((*witnesses, *(trust.witnesses() if trust else ()))))
    try:
        note = notes.parse(data)
        checkpoint = parse_text(note.text)
    except TlogError as error:
        findings.add(name, error.message)
        return None
    key = None if trust is None else _log_key(data, name, trust, findings)
    _strangers(note, name, trust, checkpoint, known, findings)
    return Vouched(checkpoint, key, _cosignatures(note, name, checkpoint, known, findings))


def _log_key(data: bytes, name: str, trust: Trust, findings: Findings) -> Generation | None:
    try:
        signed = trusts.verify(data, trust)
    except (TlogError, OversightError) as error:
        findings.add(name, error.message)
        return None
    return trust.keys(signed.checkpoint.origin)[signed.key]


def _strangers(
    note: Note,
    name: str,
    trust: Trust | None,
    checkpoint: Checkpoint,
    witnesses: tuple[VerifierKey, ...],
    findings: Findings,
) -> None:
    if trust is None:
        return
    ours = trust.keys(checkpoint.origin) if checkpoint.origin.startswith(trust.origins) else {}
    for line in note.signatures:
        if not any(line.claims(key) for key in (*ours, *witnesses)):
            findings.add(name, f"a signature in the name of {line.name!r} is by no key that ledger or options name")


def _cosignatures(
    note: Note, name: str, checkpoint: Checkpoint, witnesses: tuple[VerifierKey, ...], findings: Findings
) -> tuple[Cosignature, ...]:
    """Those that are right, key by key, so that one wrong line does not hide the others."""
    found: list[Cosignature] = []
    for key in witnesses:
        try:
            found.extend(cosignatures.verified(note, checkpoint, (key,)))
        except TlogError as error:
            findings.add(name, error.message)
    return tuple(found)
