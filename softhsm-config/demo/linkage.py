"""Common numbers and linking (紐付け) in the demo: sector C by files and command lines, the others by the library.

The demo knows who is who, as nobody in the scheme does: nobody may be linked with somebody else's number, and
whoever is only written otherwise must be linked.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from layout import DemoError, Layout
from parties import Parties, Party
from people import Country, Member
from running import Runner
from steps import Steps
from summary import Summary, in_words

from appliance.hubkit import Client, Converted
from appliance.hubkit import register as register_files
from appliance.hubkit.inquiries import Because
from appliance.hubkit.intake import Row
from appliance.hubkit.linking import link
from appliance.hubkit.numbering import number_residents

COLUMNS = ("existing", "name", "address", "birth_date", "sex")
BY_COMMANDS = "C"
_ERAS = ((date(2019, 5, 1), "令和"), (date(1989, 1, 8), "平成"), (date(1926, 12, 25), "昭和"))


class Linkage:
    """The numbering authority's and the sectors' work before anything can be exchanged."""

    def __init__(
        self, layout: Layout, country: Country, parties: Parties, runner: Runner, steps: Steps, summary: Summary
    ) -> None:
        self._layout = layout
        self._country = country
        self._parties = parties
        self._runner = runner
        self._steps = steps
        self._summary = summary

    def common_numbers(self, client: Client) -> None:
        """Common numbers for all, into a file of the register's."""
        count = len(self._country.residents)
        with self._steps.step("Common numbers (共通番号) for all residents", count) as step:
            numbered = number_residents(
                client,
                register_files.read(self._layout.register),
                "common",
                purpose="numbering",
                reference="demo-common",
            )
            self._layout.common_numbers.touch(mode=0o600)
            with self._layout.common_numbers.open("w", encoding="ascii", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(("resident_code", "common_number"))
                for resident, one in zip(self._country.residents, numbered, strict=True):
                    if not isinstance(one.result, Converted):
                        raise DemoError(f"a resident got no common number: {one.result.code}")
                    writer.writerow((resident.code, one.result.number))
                    self._summary.common_numbers += 1
                    step.advance()
            step.result = f"{count:,} numbers with check digit, in one stream"

    # --- sector C: files and command lines ------------------------------------------------------------

    def by_commands(self) -> None:
        """Sector C's clerk and the authority's clerk, with files between them; its inquiries worked off afterwards."""
        party = self._parties[BY_COMMANDS]
        with self._steps.step(f"Linking (紐付け) for sector {party.letter}, with files between the parties") as step:
            people = self._layout.folder / "sector-c.csv"
            _write_people(people, party.truth.values())
            self._sector("load", people, "--sector", party.letter)
            made = self._asked_and_received("request-1")
            counts = {"requests": made["asked"], "linked": made["numbers"], **made["reasons"]}
            self._linked(party, counts)
            step.result = _in_words(counts)
        with self._steps.step(f"Sector {party.letter} works its inquiries off, and asks again") as step:
            corrected, closed = self._work_off(party)
            made = self._asked_and_received("request-2", "--corrected")
            self._check(party)
            status = json.loads(self._sector("status", "--json"))
            self._summary.second_round = {
                "corrected": corrected, "closed": closed, "linked": made["numbers"], "open": status["open"]
            }  # fmt: skip
            step.result = (
                f"{corrected:,} corrected, {made['numbers']:,} of them linked now, {closed:,} closed;"
                f" {status['open']:,} still open (they have a double in the register)"
            )

    def _sector(self, command: str, *arguments: str | Path) -> str:
        return self._runner("appliance", "sector", command, *arguments, "--file", self._layout.sector(BY_COMMANDS))

    def _asked_and_received(self, name: str, *more: str) -> dict[str, Any]:
        """What the authority's command says of it."""
        request, answer = (self._layout.folder / f"{name}.{kind}" for kind in ("jsonl", "answer.jsonl"))
        self._sector("request", "--out", request, *more)
        said = self._runner(
            *("appliance", "numbering", "link", request, "--register", self._layout.register, "--out", answer),
            *("--socket", self._layout.socket("numbering"), "--json"),
        )
        self._sector("receive", answer)
        return json.loads(said)  # type: ignore[no-any-return]

    def _work_off(self, party: Party) -> tuple[int, int]:
        """The clerk asks the people: those who exist are corrected, in a file; who is nobody's is closed."""
        on_the_list = [party.truth[inquiry.existing] for inquiry, _ in party.sector.inquiry_list.every()]
        corrections = self._layout.folder / "corrections.csv"
        known = [
            self._as_registered(member) for member in on_the_list if not member.sure and member.resident is not None
        ]
        _write_people(corrections, known)
        self._sector("correct", "--csv", corrections)
        strangers = [member for member in on_the_list if member.resident is None]
        for member in strangers:
            party.sector.inquiry_list.close(member.existing, Because.NOT_IN_REGISTER)
        return len(known), len(strangers)

    def _as_registered(self, member: Member) -> Member:
        if member.resident is None:
            raise DemoError("somebody whom nobody knows cannot be corrected")
        return Member(
            member.existing, self._country.residents[member.resident].attributes, member.resident, member.kind
        )

    # --- the others: the library ----------------------------------------------------------------------

    def by_library(self, client: Client) -> None:
        """The other sectors' linking."""
        others = [party for party in self._parties if party.letter != BY_COMMANDS]
        with self._steps.step("Linking for the other five sectors", len(others)) as step:
            for party in others:
                party.sector.enter((member.existing, member.attributes) for member in party.truth.values())
                self._link(client, party)
                step.advance()
            total = sum((Counter(self._summary.linking[party.letter]) for party in others), Counter[str]())
            step.result = _in_words(total)

    def _link(self, client: Client, party: Party) -> None:
        requests = list(party.sector.requests())
        register = register_files.read(self._layout.register)
        reference = f"demo-linking-{party.letter}"
        linking = link(client, register, requests, party.sector.domain, purpose="linking", reference=reference)
        party.sector.store(linking)
        reasons = Counter(one.reason for one in linking.unmatched)
        self._linked(party, {"requests": len(requests), "linked": len(linking.linked), **dict(reasons.most_common())})

    def again(self, client: Client, party: Party, member: Member) -> None:
        """What a sector's clerk does when somebody asks about one of its people who is not linked yet."""
        row = Row(2, member.existing, self._as_registered(member).attributes)
        party.sector.intake.correct([row], lambda taken: None)
        requests = list(party.sector.requests(corrected=True))
        register = register_files.read(self._layout.register)
        reference = f"demo-linking-{party.letter}-2"
        again = link(client, register, requests, party.sector.domain, purpose="linking", reference=reference)
        party.sector.store(again)
        self._check(party)

    # --- against the truth ----------------------------------------------------------------------------

    def _linked(self, party: Party, counts: dict[str, int]) -> None:
        self._summary.linking[party.letter] = counts
        linked = Counter(member.kind for member in self._check(party))
        for kind, count in Counter(member.kind for member in party.truth.values()).items():
            seen = self._summary.kinds.setdefault(kind, {"people": 0, "linked": 0})
            seen["people"] += count
            seen["linked"] += linked[kind]

    def _check(self, party: Party) -> Sequence[Member]:
        """Who is linked; nobody is who must not be, and everybody who must be."""
        linked = [member for member, _ in party.linked()]
        unknowable = [member for member in linked if member.resident is None or member.resident in self._country.alike]
        if unknowable:
            raise DemoError(f"sector {party.letter}: {len(unknowable)} were linked of whom nobody can say who they are")
        have = {member.existing for member in linked}
        missing = Counter(
            member.kind
            for member in party.truth.values()
            if member.sure and member.resident not in self._country.alike and member.existing not in have
        )
        if missing:
            raise DemoError(f"sector {party.letter}: not linked though they must be: {in_words(missing)}")
        return linked

    def check_pairs(self, client: Client) -> None:
        """Each number of a sector, converted, is the one that sector C has for the same person."""
        other = self._parties[BY_COMMANDS]
        theirs = {member.resident: number for member, number in other.linked()}
        with self._steps.step(f"Check of every pair of the others against sector {other.letter}") as step:
            for party in self._parties:
                if party.letter != other.letter:
                    self._summary.checked_pairs += self._check_pair(client, party, other, theirs)
            step.result = f"{self._summary.checked_pairs:,} pairs, every one right"

    def _check_pair(self, client: Client, one: Party, other: Party, theirs: dict[int | None, str]) -> int:
        known = [(member.resident, number) for member, number in one.linked() if member.resident in theirs]
        domains, numbers = (one.sector.domain, other.sector.domain), (number for _, number in known)
        with client.convert_stream(*domains, numbers, purpose="self-check", reference="demo-check") as stream:
            converted = [result.number if isinstance(result, Converted) else None for result in stream]
        wrong = sum(theirs[resident] != number for (resident, _), number in zip(known, converted, strict=True))
        if wrong:
            raise DemoError(f"{wrong} numbers of sector {one.letter} lead to the wrong person")
        return len(known)


def _write_people(path: Path, members: Iterable[Member]) -> None:
    """A sector's own file, with the dates and sexes as its old system has them."""
    path.touch(mode=0o600)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for member in members:
            one = member.attributes
            born, sex = _japanese(date.fromisoformat(one.birth_date)), "1" if one.sex == "男" else "2"
            writer.writerow((member.existing, one.name, one.address, born, sex))


def _japanese(day: date) -> str:
    """``昭和45年1月31日``; before Showa as it is."""
    for begins, era in _ERAS:
        if day >= begins:
            year = day.year - begins.year + 1
            return f"{era}{'元' if year == 1 else year}年{day.month}月{day.day}日"
    return day.isoformat()


def _in_words(counts: dict[str, int]) -> str:
    asked, linked = counts["requests"], counts["linked"]
    return f"{linked:,} of {asked:,} linked, {asked - linked:,} ({(asked - linked) / asked:.1%}) back for inquiry"
