"""What came of each action, as the outcome tells it: identifiers, check values, copies, proofs of absence."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Iterable, Iterator

from appliance.ledger.outcome import (
    ActionResult,
    BackupEnrolled,
    BackupRemoved,
    CloneEnrolled,
    CloneLogKey,
    CloneRemoved,
    CloneUpdated,
    CopiedKey,
    Destroyed,
    Drilled,
    Founded,
    Generated,
    GeneratedPair,
    Outcome,
    Recorded,
    Restored,
    StateChanged,
    TokenFacts,
)
from appliance.ledger.publickey import raw_of
from appliance.ledger.state import LedgerState
from keyceremony.act.needs import others
from keyceremony.sheets.attributes import AttributeSets
from keyceremony.sheets.blocks import Code, Field, Result, Table
from keyceremony.sheets.wording import Wording
from keyceremony.words import groups, words_of


def results(
    t: Wording, outcome: Outcome, before: LedgerState | None, after: LedgerState
) -> tuple[tuple[Result, ...], AttributeSets]:
    """One result for each action, in order, and the attribute sets that they name."""
    told = _Told(t, before, after)
    pairs = zip(outcome.results, outcome.durations, strict=True)
    return tuple(told.result(result, duration) for result, duration in pairs), told.sets


class _Told:
    """An outcome's results in one language."""

    def __init__(self, t: Wording, before: LedgerState | None, after: LedgerState) -> None:
        self.t = t
        self.sets = AttributeSets(t)
        states = [state for state in (before, after) if state is not None]
        self.labels = {one.serial: one.label for state in states for one in others(state)}
        self.labels |= {state.token_serial: state.token_label for state in states}

    def result(self, result: ActionResult, duration: int) -> Result:
        copied = _copied(result)
        return Result(
            duration=self.t.duration(duration),
            fields=tuple(self._fields(result)),
            tables=(self._copies(result, copied),) if copied else (),
            remarks=(self.t("minutes.provenance"),) if copied else (),
        )

    def _fields(self, result: ActionResult) -> Iterator[Field]:
        t = self.t
        match result:
            case Founded():
                yield from self._identity(result.key_id, result.certificate)
            case Generated():
                yield from self._generated(result)
            case GeneratedPair():
                yield from self._pair(result)
            case StateChanged():
                yield Field(t("minutes.state"), t(f"state.{result.state}"))
            case Destroyed():
                yield Field(t("minutes.absent"), self._tokens(result.absent_from))
            case Recorded():
                yield Field(t("minutes.now_in_force"), Code(result.digest))
            case BackupEnrolled():
                yield from self._enrolled(result)
            case BackupRemoved():
                yield Field(t("minutes.removed"), Code("\n".join(result.removed)) or t("minutes.removed_none"))
                yield Field(t("minutes.untrusted"), Code(result.trusted_id))
            case Restored():
                yield from self._identity(result.key_id, result.certificate)
                trusted = (f"{self.token(serial)}  {key_id}" for serial, key_id in result.trusted.items())
                yield Field(t("minutes.trusted"), "\n".join(trusted))
            case Drilled():
                yield from self._facts(t("minutes.scratch"), result.scratch)
            case CloneEnrolled() | CloneUpdated() | CloneRemoved():
                yield from self._clone(result)

    def _clone(self, result: CloneEnrolled | CloneUpdated | CloneRemoved) -> Iterator[Field]:
        t = self.t
        match result:
            case CloneEnrolled():
                yield from self._facts(t("minutes.token"), result.token)
                if result.log_key is not None:
                    yield from self._log_key(result.log_key)
            case CloneUpdated():
                yield Field(t("minutes.token"), self.token(result.serial))
            case CloneRemoved():
                yield Field(t("minutes.removed"), Code("\n".join(result.removed)) or t("minutes.removed_none"))

    def _log_key(self, told: CloneLogKey) -> Iterator[Field]:
        t = self.t
        yield Field(t("minutes.log_key"), Code(raw_of(b64decode(told.public_key)).hex()))
        yield Field(t("minutes.check_value"), Code(told.check_value))
        yield Field(t("minutes.key_id"), Code(told.key_id))
        yield Field(t("minutes.attributes"), self.sets.name(told.attributes, str(told.attributes.get("label", ""))))

    def _generated(self, result: Generated) -> Iterator[Field]:
        t = self.t
        yield Field(t("minutes.check_value"), Code(result.check_value))
        yield Field(t("minutes.key_id"), Code(result.key_id))
        yield Field(t("minutes.attributes"), self.sets.name(result.attributes, result.generation))
        copies = (
            t("minutes.copy", token=self.token(serial), set=self.sets.name(told, result.generation))
            for serial, told in result.copies.items()
        )
        yield Field(t("minutes.copies"), "\n".join(copies) or t("sheet.none"))

    def _pair(self, result: GeneratedPair) -> Iterator[Field]:
        t = self.t
        yield Field(t("minutes.public_key"), Code(raw_of(b64decode(result.public_key)).hex()))
        yield Field(t("minutes.check_value"), Code(result.check_value))
        yield Field(t("minutes.key_id"), Code(result.key_id))
        yield Field(t("minutes.attributes"), self.sets.name(result.attributes, result.generation))
        yield Field(t("minutes.copies"), t("sheet.none"))

    def _enrolled(self, result: BackupEnrolled) -> Iterator[Field]:
        t = self.t
        yield from self._facts(t("minutes.token"), result.token)
        yield Field(t("minutes.transport"), Code(result.transport_id))
        yield Field(t("minutes.transport_sha256"), Code(_sha256(result.transport_key)))
        yield Field(t("minutes.trusted_as"), Code(result.trusted_id))
        yield Field(t("minutes.attributes"), self.sets.name(result.attributes))
        yield from self._identity(result.key_id, result.certificate)
        if not result.copies:
            yield Field(t("minutes.copies"), t("sheet.none"))

    def _facts(self, label: str, facts: TokenFacts) -> Iterator[Field]:
        yield Field(label, self.t.token(facts.label, facts.serial))
        yield Field(self.t("minutes.maker"), maker(facts))

    def _identity(self, key_id: str, certificate: str) -> Iterator[Field]:
        t = self.t
        yield Field(t("minutes.identity"), Code(key_id))
        yield Field(t("minutes.certificate_sha256"), Code(_sha256(certificate)))
        yield Field(t("minutes.identity_words"), Code("\n".join(groups(words_of(b64decode(certificate))))))

    def _copies(self, result: ActionResult, copied: tuple[CopiedKey, ...]) -> Table:
        t = self.t
        title = t("minutes.drilled_table" if isinstance(result, Drilled) else "minutes.copies_table")
        rows = tuple(
            (
                Code(one.generation),
                Code(one.check_value),
                Code(one.key_id),
                self.sets.name(one.attributes, one.generation),
                t("sheet.entry", number=one.origin),
            )
            for one in copied
        )
        keys = ("field.generation", "minutes.check_value", "minutes.key_id", "minutes.attributes", "minutes.origin")
        return Table(title, tuple(t(key) for key in keys), rows)

    def _tokens(self, serials: Iterable[str]) -> str:
        return "\n".join(self.token(serial) for serial in serials)

    def token(self, serial: str) -> str:
        """A token of the ledger by its serial number."""
        return self.t.token(self.labels[serial], serial)


def maker(facts: TokenFacts) -> str:
    """Manufacturer and model; a token may leave these empty."""
    return ", ".join(part for part in (facts.manufacturer, facts.model) if part) or "–"


def _copied(result: ActionResult) -> tuple[CopiedKey, ...]:
    match result:
        case BackupEnrolled():
            return result.copies
        case Restored() | Drilled() | CloneEnrolled() | CloneUpdated():
            return result.keys
        case _:
            return ()


def _sha256(text: str) -> str:
    """Of what a document carries in base64."""
    return hashlib.sha256(b64decode(text)).hexdigest()
