"""A door for tests, with a clock of its own: everything that sign-in rests on, in one folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cardkit import PORTAL, CardWorld, build

from appliance.portal.signin.attempts import Attempts
from appliance.portal.signin.authority import Authorities
from appliance.portal.signin.cardid import CardId
from appliance.portal.signin.challenge import Challenges
from appliance.portal.signin.door import Door
from appliance.portal.signin.holders import Holders
from appliance.portal.signin.journal import Journal

NOW = datetime(2026, 4, 1, 9, 0, 0, tzinfo=UTC)


@dataclass
class Clock:
    """Stands still unless moved."""

    moment: datetime = NOW

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, **time: float) -> None:
        self.moment += timedelta(**time)


@dataclass
class SignIn:
    """A door and what is behind it."""

    world: CardWorld
    clock: Clock
    door: Door
    holders: Holders
    challenges: Challenges
    said: list[str] = field(default_factory=list)

    @property
    def journal_path(self) -> Path:
        return self.world.folder / "journal"

    @property
    def journal(self) -> list[dict[str, Any]]:
        """What was written down."""
        return [json.loads(line) for line in self.journal_path.read_text(encoding="utf-8").splitlines()]

    @property
    def last(self) -> dict[str, Any]:
        return self.journal[-1]

    def answer(self, card: str, session: str = "browser") -> str:
        """A card's answer to a new challenge."""
        return self.world.cards[card].answer(self.door.begin(session).text, self.clock())

    def enter(self, card: str, session: str = "browser") -> CardId:
        """Sign in."""
        return self.door.enter(session, self.answer(card, session))


def stand(folder: Path, attempts: Attempts | None = None) -> SignIn:
    """A world of cards and the door to it."""
    world, clock, said = build(folder, NOW), Clock(), []
    holders, challenges = Holders(world.holders_path), Challenges(PORTAL, clock)
    authorities = Authorities([world.authority_path], [world.crl_path])
    journal = Journal(folder / "journal")
    door = Door(
        challenges, authorities, holders, journal, attempts=attempts or Attempts(), clock=clock, said=said.append
    )
    return SignIn(world, clock, door, holders, challenges, said)
