"""The words of a plan: ``generate sspin.C``, ``generate sspin.C with spin.2``, ``activate spin.1`` and so on.

``generate`` takes a domain and finds number and parent itself; every other action takes a generation.
"""

from __future__ import annotations

from collections.abc import Container

from appliance.ledger.actions import Activate, Generate, KeyAction, Restrict, Resume, Retire, Suspend
from appliance.ledger.keys import KeyBook
from appliance.numbers.domains import DomainError, Generation
from keyceremony.errors import DraftRefused

_MOVES: dict[str, type[KeyAction]] = {
    "activate": Activate,
    "restrict": Restrict,
    "suspend": Suspend,
    "resume": Resume,
    "retire": Retire,
}
GRAMMAR = "'generate DOMAIN [with PARENT.N]' or 'activate|restrict|suspend|resume|retire DOMAIN.N'"


def parse(line: str, book: KeyBook, made: Container[Generation] = ()) -> Generate | KeyAction:
    """One action, numbers and parents filled in.

    Args:
        line: the sentence.
        book: the keys in the state reached by the actions before this one.
        made: generations that the same plan makes; the newest of them is preferred as a parent.

    Raises:
        DraftRefused: not a sentence of the grammar, an unknown domain or key, or no parent to be found.
    """
    match line.split():
        case ["generate", domain]:
            return _generate(domain, None, book, made)
        case ["generate", domain, "with", parent]:
            return _generate(domain, parent, book, made)
        case ["destroy", *_]:
            raise DraftRefused(
                f"{line!r}: destroying keys comes with a later version: it needs proof that no copy is left",
                "a retired key converts nothing; leave it retired",
            )
        case [verb, generation] if verb in _MOVES:
            return _MOVES[verb](generation=_known(line, generation, book))
        case _:
            raise DraftRefused(f"{line!r} is no action", f"write {GRAMMAR}")


def _known(line: str, text: str, book: KeyBook) -> str:
    try:
        generation = Generation.parse(text)
    except DomainError as error:
        raise DraftRefused(f"{line!r}: {error}", f"write {GRAMMAR}") from None
    if generation not in book.keys:
        known = ", ".join(str(key) for key in sorted(book.keys)) or "none yet"
        raise DraftRefused(f"{line!r}: there is no key {text}", f"keys: {known}")
    return str(generation)


def _generate(name: str, parent: str | None, book: KeyBook, made: Container[Generation]) -> Generate:
    if name not in book.tree:
        names = ", ".join(domain.name for domain in book.tree if domain.parent)
        raise DraftRefused(f"generate {name}: no such domain", f"domains: {names}")
    domain = book.tree[name]
    if domain.parent is None:
        raise DraftRefused(f"generate {name}: it is the root of the tree and has no key")
    generation = f"{name}.{_newest(name, book) + 1}"
    if parent is None and book.tree[domain.parent].parent is not None:
        parent = str(_parent(name, domain.parent, book, made))
    return Generate(generation=generation, parent=parent)


def _newest(domain: str, book: KeyBook) -> int:
    return max((key.number for key in book.keys if key.domain == domain), default=0)


def _parent(name: str, domain: str, book: KeyBook, made: Container[Generation]) -> Generation:
    newest = Generation(domain, max(_newest(domain, book), 1))
    found = newest if newest in made else book.current().get(domain)
    if found is None:
        raise DraftRefused(
            f"generate {name}: its parent {domain} has no current key",
            f"put 'generate {domain}' before it, or name one: 'generate {name} with {domain}.1'",
        )
    return found
