"""What became of each key: its states from the day it was made, as the ledger tells them entry by entry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from appliance.ledger.chain import Entry
from appliance.ledger.keys import KeyRecord
from appliance.ledger.services import SERVICE
from appliance.ledger.states import KeyState
from appliance.numbers.domains import Generation


@dataclass(frozen=True, slots=True)
class Span:
    """A key was in a state from ``begins`` until ``ends`` (instants of the ledger; None: it still is)."""

    state: KeyState
    begins: str
    ends: str | None


@dataclass(slots=True)
class KeyStory:
    """One generation: its states in order, whether it is its domain's current one, and which entry made it."""

    generation: Generation
    current: bool
    origin: int
    spans: list[Span] = field(default_factory=list)

    @property
    def now(self) -> Span:
        """Its present state."""
        return self.spans[-1]


@dataclass(frozen=True, slots=True)
class DomainStory:
    """A domain (or a service key's name) with its title, and its generations."""

    name: str
    title: str
    service: bool
    keys: tuple[KeyStory, ...]


def tell(entries: Sequence[Entry]) -> tuple[DomainStory, ...]:
    """Every domain that has had a key, in the order of the ledger; the service keys last."""
    stories = _stories(entries)
    state = entries[-1].state
    order = [*(domain.name for domain in state.domains), *SERVICE]
    by_domain: dict[str, list[KeyStory]] = defaultdict(list)
    for generation in sorted(stories):
        by_domain[generation.domain].append(stories[generation])
    return tuple(
        DomainStory(name, state.titles.get(name, ""), name in SERVICE, tuple(by_domain[name]))
        for name in order
        if name in by_domain
    )


def _stories(entries: Sequence[Entry]) -> dict[Generation, KeyStory]:
    current = set(entries[-1].state.current.values())
    stories: dict[Generation, KeyStory] = {}
    for generation, record in entries[-1].state.keys.items():
        stories[generation] = KeyStory(generation, generation in current, record.origin)
    for entry in entries:
        for generation, record in _changed(entry, stories):
            _begin(stories[generation].spans, record, entry.outcome.finished)
    return stories


def _changed(entry: Entry, stories: dict[Generation, KeyStory]) -> Iterator[tuple[Generation, KeyRecord]]:
    """The keys that the entry brought into another state. States within one entry (made and activated) are one."""
    for generation, record in entry.state.keys.items():
        spans = stories[generation].spans
        if not spans or spans[-1].state is not record.state:
            yield generation, record


def _begin(spans: list[Span], record: KeyRecord, finished: str) -> None:
    begins = record.since or finished
    if spans:
        spans[-1] = Span(spans[-1].state, spans[-1].begins, begins)
    spans.append(Span(record.state, begins, None))
