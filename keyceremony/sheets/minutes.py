"""The minutes of a ceremony: an entry of the ledger on paper, after it was carried out and verified."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.bilingual import Language
from appliance.ledger import canonical, chain, quorum
from appliance.ledger.annexes import Annex, Attempt
from appliance.ledger.chain import Entry
from appliance.ledger.cms import verify as verify_cms
from appliance.ledger.state import LedgerState
from appliance.ledger.text import parse_instant, render_instant
from keyceremony.sheets import actions, people
from keyceremony.sheets.blocks import Block, Code, Field, Result, Table
from keyceremony.sheets.page import Running, Sheet, render
from keyceremony.sheets.people import Body, Signatory
from keyceremony.sheets.results import maker, results
from keyceremony.sheets.script import running
from keyceremony.sheets.steps import openssl_verify
from keyceremony.sheets.wording import Wording
from keyceremony.table.papers import Paper, person_in
from keyceremony.words import groups, words_of


@dataclass(frozen=True)
class Evidence:
    """A file of the ledger. ``href``: where it lies, seen from the sheet."""

    what: str
    name: str
    href: str
    digest: str
    command: str


@dataclass(frozen=True)
class Annexed:
    """An annex in words, with its file."""

    title: str
    fields: tuple[Field, ...]
    file: Evidence


@dataclass(frozen=True)
class Minutes:
    """What the template ``minutes.html.j2`` prints."""

    entry: Entry
    facts: tuple[Field, ...]
    words: tuple[str, ...]
    digest: str
    needed: tuple[str, ...]
    approvals: Table
    done: tuple[tuple[Block, Result], ...]
    attributes: Table | None
    deviations: tuple[tuple[str, str], ...]
    annexes: tuple[Annexed, ...]
    evidence: tuple[Evidence, ...]
    signer: tuple[Field, ...]
    signatories: tuple[Signatory, ...]


@dataclass(frozen=True)
class Source:
    """A verified ledger to write minutes from. ``href``: the way to its folder from the sheet, quoted for a link."""

    entries: tuple[Entry, ...]
    files: Mapping[str, bytes]
    folder: Path
    href: str


def html(source: Source, sequence: int, languages: Sequence[Language]) -> bytes:
    """The minutes of one entry."""
    return render(*(_Told(Wording(language), source, sequence).sheet() for language in languages))


class _Told:
    """An entry in one language."""

    def __init__(self, t: Wording, source: Source, sequence: int) -> None:
        self.t, self.source = t, source
        self.entry = source.entries[sequence - 1]
        self.before: LedgerState | None = source.entries[sequence - 2].state if sequence > 1 else None
        name = chain.authorization_name(sequence)
        self.paper = Paper(source.folder / name, canonical.encode(self.entry.plan), self.entry.plan)

    def sheet(self) -> Sheet:
        t, plan = self.t, self.entry.plan
        return Sheet(t, t("minutes.title"), plan.rehearsal, self._running(), "minutes.html.j2", self._content())

    def _running(self) -> Running:
        return running(self.t, "minutes.title", self.paper)

    def _content(self) -> Minutes:
        t, entry = self.t, self.entry
        bodies = people.bodies(t, entry.plan, self.before)
        told, sets = results(t, entry.outcome, self.before, entry.state)
        return Minutes(
            entry=entry,
            facts=self._facts(),
            words=groups(self.paper.words),
            digest=self.paper.digest,
            needed=tuple(self._needed(body) for body in bodies),
            approvals=self._approvals(bodies),
            done=tuple(zip(actions.blocks(t, entry.plan, self.before), told, strict=True)),
            attributes=sets.table(),
            deviations=tuple((t.instant(note.at), note.text) for note in entry.outcome.notes),
            annexes=tuple(self._annexed(name, annex) for name, annex in entry.annexes.items()),
            evidence=self._evidence(),
            signer=self._signer(),
            signatories=people.signatories(t, (one.person for one in entry.approvals)),
        )

    def _facts(self) -> tuple[Field, ...]:
        t, happened, plan = self.t, self.entry.outcome, self.entry.plan
        started, finished = (parse_instant("outcome", text) for text in (happened.started, happened.finished))
        took = round((finished - started).total_seconds() * 1000)
        return (
            Field(t("minutes.started"), t.instant(happened.started)),
            Field(t("minutes.finished"), t.instant(happened.finished)),
            Field(t("minutes.took"), t.duration(took)),
            Field(t("minutes.operator"), happened.operator),
            Field(t("minutes.tool"), happened.tool),
            Field(t("minutes.token"), t.token(happened.token.label, happened.token.serial)),
            Field(t("minutes.maker"), maker(happened.token)),
            Field(t("script.created"), t.instant(plan.created)),
            Field(t("script.expires"), t.instant(plan.expires)),
        )

    def _needed(self, body: Body) -> str:
        return self.t("minutes.needed", body=body.title, officers=body.officers, oversight=body.oversight)

    def _approvals(self, bodies: tuple[Body, ...]) -> Table:
        t = self.t
        rows = []
        for approval in self.entry.approvals:
            person = approval.person
            counted = "\n".join(body.title for body in bodies if _counts(body, person.certificate))
            when = t.instant(render_instant(approval.signing_time))
            rows.append((Code(person.id), person.name, people.role(t, person.role), when, counted))
        keys = ("sheet.id", "sheet.name", "sheet.role", "minutes.signed_at", "minutes.counts_for")
        return Table("", tuple(t(key) for key in keys), tuple(rows))

    def _annexed(self, name: str, annex: Annex) -> Annexed:
        t = self.t
        if isinstance(annex, Attempt):
            return Annexed(t(f"minutes.attempt_{annex.ended_by}"), self._attempt(annex), self._file("", name))
        person = person_in(
            quorum.roster_for(self.entry.plan, self.before.roster if self.before else None), annex.person
        )
        fields = (
            Field(t("minutes.refused_by"), f"{person.id} {person.name}"),
            Field(t("minutes.at"), t.instant(annex.at)),
            self._concerned(annex),
            Field(t("minutes.reason"), annex.reason),
        )
        return Annexed(t("minutes.refusal"), fields, self._file("", name))

    def _concerned(self, annex: Annex) -> Field:
        """Which plan: another one of this number may have been withdrawn before."""
        this = annex.plan == self.entry.outcome.plan
        return Field(self.t("minutes.concerns"), self.t("minutes.this_plan") if this else Code(annex.plan))

    def _attempt(self, attempt: Attempt) -> tuple[Field, ...]:
        t = self.t
        return (
            Field(t("minutes.started"), t.instant(attempt.started)),
            Field(t("minutes.finished"), t.instant(attempt.ended)),
            self._concerned(attempt),
            Field(t("minutes.operator"), attempt.operator),
            Field(t("minutes.token"), t.token(attempt.token.label, attempt.token.serial)),
            Field(t("minutes.reason"), attempt.reason),
            Field(t("minutes.last_step"), Code(attempt.step)),
            Field(t("minutes.undone"), Code("\n".join(attempt.removed)) or t("sheet.none")),
            Field(t("minutes.left"), Code("\n".join(attempt.left)) or t("sheet.none")),
        )

    def _evidence(self) -> tuple[Evidence, ...]:
        sequence = self.entry.sequence
        return (
            self._file(self.t("minutes.authorization"), chain.authorization_name(sequence)),
            self._file(self.t("minutes.outcome"), chain.outcome_name(sequence)),
        )

    def _file(self, what: str, name: str) -> Evidence:
        digest = hashlib.sha256(self.source.files[name]).hexdigest()
        command = openssl_verify(str(self.source.folder / name))
        return Evidence(what, name, f"{self.source.href}/{name}", digest, command)

    def _signer(self) -> tuple[Field, ...]:
        """Whose identity key signed the outcome, and the heads that it stands between."""
        t = self.t
        der = verify_cms(self.source.files[chain.outcome_name(self.entry.sequence)]).signers[0].certificate
        return (
            Field(t("minutes.signed_by"), t("minutes.signed_by_token", token=self._token_of(der))),
            Field(t("minutes.certificate_sha256"), Code(hashlib.sha256(der).hexdigest())),
            Field(t("minutes.identity_words"), Code("\n".join(groups(words_of(der))))),
            Field(t("minutes.previous"), Code(self.entry.plan.previous) if self.before else t("script.nothing_before")),
            Field(t("minutes.head"), Code(self.entry.head)),
            Field(t("script.anchor"), Code(self.entry.state.anchor)),
        )

    def _token_of(self, der: bytes) -> str:
        """The token with that identity certificate, before the entry or, at genesis, after it."""
        state = self.before or self.entry.state
        known = {state.identity_certificate: (state.token_label, state.token_serial)}
        known |= {one.identity_certificate: (one.label, one.serial) for one in state.backups.values()}
        return self.t.token(*known[der])


def _counts(body: Body, theirs: str) -> bool:
    return any(person.certificate == theirs for person in body.people)
