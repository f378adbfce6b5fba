"""The scheme of the demo: common numbers for all, linking for sectors B, C and E, exchanges B → E.

The demo knows who is who, as nobody in the scheme does, and so checks every result against the truth:
each link, and each piece of data that sector B receives.
"""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field

import people
from layout import DemoError, Layout
from people import Country, Member
from steps import Step, Steps

from appliance.hubkit import Client, Converted
from appliance.hubkit import register as register_files
from appliance.hubkit.exchange import Hub, Question, Rule
from appliance.hubkit.linking import link
from appliance.hubkit.numbering import number_residents
from appliance.hubkit.sector import Sector
from appliance.numbers.formats import BASE36

RULES = (Rule("B", "E", "income", "benefit-check"),)
BATCH = 1000  # the hub role's values_per_request
WORKERS = 4
Asked = list[tuple[Member, str]]


@dataclass
class Summary:
    """What happened, in numbers; ``summary.json``."""

    residents: int
    common_numbers: int = 0
    linking: dict[str, dict[str, int]] = field(default_factory=dict)
    checked_pairs: int = 0
    exchanges: dict[str, int] = field(default_factory=dict)
    batch: dict[str, int] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    history: dict[str, int] = field(default_factory=dict)
    cosigned: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def write(self, layout: Layout) -> None:
        """Write it; done last, so that its presence means a whole demo."""
        layout.summary.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


class Scheme:
    """Runs the flows against the daemon."""

    def __init__(self, layout: Layout, country: Country, steps: Steps, summary: Summary) -> None:
        self._layout = layout
        self._country = country
        self._steps = steps
        self.summary = summary
        self.asked_about = 0  # the place in the register of somebody who was asked about
        self._truth = {letter: {m.existing: m for m in members} for letter, members in country.members.items()}

    def run(self, exchanges: int) -> None:
        """Everything, in order.

        Raises:
            DemoError: a result is not the truth.
        """
        with ExitStack() as stack:
            numbering = stack.enter_context(Client(self._layout.socket("numbering"), timeout=60))
            hub = stack.enter_context(Client(self._layout.socket("hub"), timeout=60))
            sectors = {letter: stack.enter_context(self._open(letter)) for letter in ("B", "C", "E")}
            self._common_numbers(numbering)
            for letter in ("C", "B", "E"):
                self._link(numbering, sectors[letter])
            self._check_pairs(hub, sectors["B"], sectors["C"])
            self._exchange(sectors["B"], sectors["E"], exchanges)
            self._refusals(numbering, hub)
            self._write_sample(sectors)

    def _open(self, letter: str) -> Sector:
        sector = Sector(letter, self._layout.sector(letter))
        sector.enter((member.existing, member.attributes) for member in self._country.members[letter])
        return sector

    def _common_numbers(self, client: Client) -> None:
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
            path = self._layout.folder / "common-numbers.csv"
            path.touch(mode=0o600)
            with path.open("w", encoding="ascii", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(("resident_code", "common_number"))
                for resident, one in zip(self._country.residents, numbered, strict=True):
                    if not isinstance(one.result, Converted):
                        raise DemoError(f"a resident got no common number: {one.result.code}")
                    writer.writerow((resident.code, one.result.number))
                    self.summary.common_numbers += 1
                    step.advance()
            step.result = f"{count:,} numbers with check digit, in one stream"

    # --- linking ------------------------------------------------------------------------------------

    def _link(self, client: Client, sector: Sector) -> None:
        with self._steps.step(f"Linking (紐付け) for sector {sector.letter}") as step:
            requests = list(sector.requests())
            linking = link(
                client,
                register_files.read(self._layout.register),
                requests,
                sector.domain,
                purpose="linking",
                reference=f"demo-linking-{sector.letter}",
            )
            sector.store(linking)
            reasons = Counter(one.reason for one in linking.unmatched)
            counts = {"requests": len(requests), "linked": len(linking.linked), **dict(sorted(reasons.items()))}
            self.summary.linking[sector.letter] = counts
            share = len(linking.unmatched) / len(requests)
            step.result = f"{len(linking.linked):,} of {len(requests):,} linked, {share:.1%} back for inquiry"
        self._check_linked(sector)

    def _check_linked(self, sector: Sector) -> None:
        """Exactly those whose attributes lead to one resident are linked."""
        alike = Counter(resident.attributes for resident in self._country.residents)
        expected = {
            member.existing
            for member in self._country.members[sector.letter]
            if member.kind == "same" and alike[self._country.residents[member.resident or 0].attributes] == 1
        }
        if expected != {existing for existing, _ in sector.links()}:
            raise DemoError(f"sector {sector.letter}: others were linked than should be")

    def _check_pairs(self, client: Client, one: Sector, other: Sector) -> None:
        """Each number of one sector, converted, is the number that the other has for the same person."""
        with self._steps.step(f"Check of every pair, sector {one.letter} against sector {other.letter}") as step:
            theirs = {self._person(other, existing): number for existing, number in other.links()}
            pairs = [(self._person(one, existing), number) for existing, number in one.links()]
            with client.convert_stream(
                one.domain, other.domain, (number for _, number in pairs), purpose="self-check", reference="demo-check"
            ) as stream:
                converted = [result.number if isinstance(result, Converted) else None for result in stream]
            common = [
                (person, number) for (person, _), number in zip(pairs, converted, strict=True) if person in theirs
            ]
            wrong = sum(theirs[person] != number for person, number in common)
            if wrong or None in converted:
                raise DemoError(f"{wrong} numbers of sector {one.letter} lead to the wrong person")
            self.summary.checked_pairs = len(common)
            step.result = f"{len(common):,} people known to both, every one right"

    def _person(self, sector: Sector, existing: str) -> int | None:
        return self._truth[sector.letter][existing].resident

    # --- exchange -----------------------------------------------------------------------------------

    def _exchange(self, asker: Sector, holder: Sector, count: int) -> None:
        known = [m for m in self._country.members["E"] if m.resident is not None]
        holder.keep("income", ((m.existing, self._country.income[m.resident or 0]) for m in known))
        linked = [(self._truth["B"][existing], number) for existing, number in asker.links()]
        asked = random.Random(people.SEED).choices(linked, k=count)  # noqa: S311 -- whom B happens to ask about
        self.asked_about = asked[0][0].resident or 0
        with self._steps.step("Exchanges (情報連携) B → E, one person each", count) as step:
            single = [[one] for one in asked]
            outcomes = self._ask(asker, holder, single, step)
            self.summary.exchanges = {"questions": count, **outcomes}
            step.result = f"{count:,} questions by {WORKERS} clerks: {_in_words(outcomes)}"
        with self._steps.step("The same people again, in batches", count) as step:
            batches = [asked[start : start + BATCH] for start in range(0, count, BATCH)]
            outcomes = self._ask(asker, holder, batches, step)
            self.summary.batch = {"questions": count, **outcomes}
            step.result = f"{count:,} people, at most {BATCH:,} at once: {_in_words(outcomes)}"

    def _ask(self, asker: Sector, holder: Sector, questions: list[Asked], step: Step) -> Counter[str]:
        """Put the questions, several clerks at a time, each with a connection of their own."""
        numbered = list(enumerate(questions, 1))

        def clerk(mine: list[tuple[int, Asked]]) -> Counter[str]:
            outcomes: Counter[str] = Counter()
            with Client(self._layout.socket("hub"), timeout=60) as client:
                hub = Hub(client, RULES, {"E": holder}, self._layout.folder / "hub" / "journal.jsonl")
                for place, about in mine:
                    numbers = (number for _, number in about)
                    answers = hub.exchange(_question(asker, f"case-{len(about)}-{place:05d}", *numbers))
                    for (member, _), answer in zip(about, answers, strict=True):
                        outcomes[self._outcome(member, answer.data, answer.problem)] += 1
                        step.advance()
            return outcomes

        with ThreadPoolExecutor(WORKERS) as pool:
            return sum(pool.map(clerk, [numbered[start::WORKERS] for start in range(WORKERS)]), Counter())

    def _outcome(self, member: Member, data: str | None, problem: str | None) -> str:
        if data is None:
            return problem or "nothing"
        if data != self._country.income[member.resident or 0]:
            raise DemoError("sector B received somebody else's data")
        return "answered"

    # --- refusals and sample --------------------------------------------------------------------------

    def _refusals(self, numbering: Client, hub: Client) -> None:
        """Numbers that are nobody's, of another sector, or no numbers at all."""
        with self._steps.step("Wrong numbers given as numbers of B") as step:
            rng = random.Random(people.SEED)  # noqa: S311 -- any number will do
            code = self._country.residents[0].code
            of_a = numbering.convert_one("resident", "sspin.A", code, purpose="linking", reference="demo-refusals")
            wrong = {
                "a random number": "".join(rng.choices(BASE36, k=11)),
                "a number of sector A": of_a,
                "369PQRST246, the scheme's own figure": "369PQRST246",
                "one character too few": "369PQRST24",
            }
            results = hub.convert(
                "sspin.B", "sspin.E", list(wrong.values()), purpose="self-check", reference="demo-refusals"
            ).results
            for name, result in zip(wrong, results, strict=True):
                if isinstance(result, Converted):
                    raise DemoError(f"{name} was converted")
                self.summary.refusals[name] = result.code
            step.result = _in_words(Counter(self.summary.refusals.values()))

    def _write_sample(self, sectors: dict[str, Sector]) -> None:
        """One number of B for trying things by hand: somebody whom sector E knows too."""
        known_to_e = {self._person(sectors["E"], existing) for existing, _ in sectors["E"].links()}
        numbers = (n for existing, n in sectors["B"].links() if self._person(sectors["B"], existing) in known_to_e)
        path = self._layout.folder / "sample"
        path.touch(mode=0o600)
        path.write_text(next(numbers) + "\n", encoding="ascii")


def _question(asker: Sector, reference: str, *numbers: str) -> Question:
    return Question("B", "E", "income", "benefit-check", reference, asker.generation, numbers)


def _in_words(outcomes: Counter[str]) -> str:
    return ", ".join(f"{count:,} {outcome.replace('_', ' ')}" for outcome, count in outcomes.most_common())
