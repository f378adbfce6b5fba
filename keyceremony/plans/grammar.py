"""The words of a plan: ``generate sspin.C``, ``generate sspin.C with spin.2``, ``activate spin.1`` and so on.

``generate`` takes a domain and finds number, parent and backup tokens itself; every other action takes a generation.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from appliance.ledger.actions import Activate, Destroy, Generate, KeyAction, Ratify, Restrict, Resume, Retire, Suspend
from appliance.ledger.book import Book
from appliance.ledger.keys import KeyBook
from appliance.ledger.services import LOG, SERVICE
from appliance.numbers.domains import DomainError, Generation
from keyceremony.errors import DraftRefused
from keyceremony.plans.holders import holder

_MOVES: dict[str, type[KeyAction]] = {
    "activate": Activate,
    "restrict": Restrict,
    "suspend": Suspend,
    "ratify": Ratify,
    "resume": Resume,
    "retire": Retire,
    "destroy": Destroy,
}
GRAMMAR = (
    f"'generate DOMAIN [with PARENT.N] [without backup | backed up on LABEL,LABEL]' or '{'|'.join(_MOVES)} DOMAIN.N'"
)


def parse(line: str, book: Book, made: Container[Generation] = ()) -> Generate | KeyAction:
    """One action, numbers, parents and backup tokens filled in.

    Args:
        line: the sentence.
        book: the state reached by the actions before this one.
        made: generations that the same plan makes; the newest of them is preferred as a parent.

    Raises:
        DraftRefused: not a sentence of the grammar, an unknown domain, key or token, or no parent to be found.
    """
    match line.split():
        case ["generate", domain, *rest]:
            parent, backups = _clauses(line, rest, book)
            return generate(domain, book, parent=parent, backups=backups, made=made)
        case [verb, generation] if verb in _MOVES:
            return _MOVES[verb](generation=_known(line, generation, book.keys))
        case _:
            raise DraftRefused(f"{line!r} is no action", f"write {GRAMMAR}")


def generate(
    name: str,
    book: Book,
    *,
    parent: str | None = None,
    backups: tuple[str, ...] | None = None,
    made: Container[Generation] = (),
) -> Generate:
    """The making of a domain's next key.

    Args:
        name: the domain, or ``log`` or ``tag``.
        book: the state reached.
        parent: the generation it stands on; None: the newest one made by the same plan, else the current one.
        backups: serial numbers of the tokens that get a copy; None: every backup token.
        made: generations that the same plan makes.

    Raises:
        DraftRefused: no such domain, the root, or no parent to be found.
    """
    keys = book.keys
    if name in SERVICE:
        return _service(name, book, parent, backups)
    if name not in keys.tree:
        names = ", ".join([*(domain.name for domain in keys.tree if domain.parent), *SERVICE])
        raise DraftRefused(f"generate {name}: no such domain", f"domains: {names}")
    domain = keys.tree[name]
    if domain.parent is None:
        raise DraftRefused(f"generate {name}: it is the root of the tree and has no key")
    if parent is None and keys.tree[domain.parent].parent is not None:
        parent = str(_parent(name, domain.parent, keys, made))
    return Generate(
        generation=f"{name}.{newest(name, keys) + 1}",
        parent=parent,
        backups=tuple(sorted(book.backups)) if backups is None else backups,
    )


def _service(name: str, book: Book, parent: str | None, backups: tuple[str, ...] | None) -> Generate:
    """A key that converts nothing: it stands on no other, and a log key has no copies."""
    if parent is not None:
        raise DraftRefused(f"generate {name}: it converts nothing, so it stands on no key", "leave 'with …' out")
    if name == LOG and backups:
        raise DraftRefused(
            f"generate {name}: a key that signs the log is never copied",
            "leave 'backed up on …' out; a new one is made when its token is lost",
        )
    copies = () if name == LOG else tuple(sorted(book.backups))
    generation = f"{name}.{newest(name, book.keys) + 1}"
    return Generate(generation=generation, parent=None, backups=copies if backups is None else backups)


def newest(domain: str, keys: KeyBook) -> int:
    """The highest number that a key of the domain has ever had; 0: none."""
    return max((key.number for key in keys.keys if key.domain == domain), default=0)


def _clauses(line: str, words: Sequence[str], book: Book) -> tuple[str | None, tuple[str, ...] | None]:
    """Parent and backup tokens, each None when nothing is said of it."""
    parent = None
    match words:
        case ["with", named, *rest]:
            parent, words = named, rest
        case _:
            pass
    match words:
        case []:
            return parent, None
        case ["without", "backup"]:
            return parent, ()
        case ["backed", "up", "on", *labels] if labels:
            named_labels = [label for label in " ".join(labels).replace(",", " ").split() if label]
            return parent, tuple(sorted({holder(book.backups, label).serial for label in named_labels}))
        case _:
            raise DraftRefused(f"{line!r} is no action", f"write {GRAMMAR}")


def _known(line: str, text: str, keys: KeyBook) -> str:
    try:
        generation = Generation.parse(text)
    except DomainError as error:
        raise DraftRefused(f"{line!r}: {error}", f"write {GRAMMAR}") from None
    if generation not in keys.keys:
        known = ", ".join(str(key) for key in sorted(keys.keys)) or "none yet"
        raise DraftRefused(f"{line!r}: there is no key {text}", f"keys: {known}")
    return str(generation)


def _parent(name: str, domain: str, keys: KeyBook, made: Container[Generation]) -> Generation:
    last = Generation(domain, max(newest(domain, keys), 1))
    found = last if last in made else keys.current().get(domain)
    if found is None:
        raise DraftRefused(
            f"generate {name}: its parent {domain} has no current key",
            f"put 'generate {domain}' before it, or name one: 'generate {name} with {domain}.1'",
        )
    return found
