"""Numbers that are nobody's, of another sector, or no numbers at all, given to the hub as numbers of sector B."""

from __future__ import annotations

import random
from collections import Counter

import people
from layout import DemoError, Layout
from parties import Parties
from people import Country
from steps import Steps
from summary import Summary, in_words

from appliance.hubkit import Client, Converted
from appliance.numbers.formats import BASE36


def refused(numbering: Client, hub: Client, country: Country, steps: Steps, summary: Summary) -> None:
    """Each is refused by itself.

    Raises:
        DemoError: one was converted.
    """
    with steps.step("Wrong numbers given as numbers of B") as step:
        rng = random.Random(people.SEED)  # noqa: S311 -- any number will do
        code = country.residents[0].code
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
            summary.refusals[name] = result.code
        step.result = in_words(Counter(summary.refusals.values()))


def write_sample(layout: Layout, parties: Parties) -> None:
    """One number of B for trying things by hand: somebody whom sector E knows too."""
    known_to_e = {member.resident for member, _ in parties["E"].linked()}
    number = next(number for member, number in parties["B"].linked() if member.resident in known_to_e)
    path = layout.folder / "sample"
    path.touch(mode=0o600)
    path.write_text(number + "\n", encoding="ascii")
