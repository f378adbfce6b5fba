"""What the daemon says the role may do, and the generations that a job is pinned to before it begins.

The daemon decides anew about every stream; asking first means that a job of an hour does not fail at its first number.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from appliance.bulk.errors import NotAllowed
from appliance.hubkit.client import Client
from appliance.hubkit.errors import ProtocolError
from appliance.hubkit.wire import domain_of
from appliance.numbers.formats import Format

ACTIVE = "active"
READABLE = (ACTIVE, "decrypt-only")


class Form(msgspec.Struct, frozen=True):
    """A number's format, as the daemon tells it."""

    alphabet: str
    length: int
    check: str


class Key(msgspec.Struct, frozen=True):
    """A generation and its state."""

    generation: str
    state: str


class Domain(msgspec.Struct, frozen=True):
    """A domain of the role's; the root has no generations."""

    name: str
    format: Form
    generations: tuple[Key, ...]
    current: str | None = None

    def numbers(self) -> Format:
        """The format, to read numbers with."""
        return Format(self.format.alphabet, self.format.length, self.format.check)


class Pair(msgspec.Struct, frozen=True):
    """Domains that the role may convert between."""

    source: str
    target: str


class Limits(msgspec.Struct, frozen=True):
    """How many numbers."""

    values_per_stream: int


class Rights(msgspec.Struct, frozen=True):
    """``GET /v1/domains``."""

    role: str
    domains: tuple[Domain, ...]
    pairs: tuple[Pair, ...]
    purposes: tuple[str, ...]
    limits: Limits

    def domain(self, name: str) -> Domain:
        """The domain of a domain's or generation's name.

        Raises:
            NotAllowed: the role has no pair with it.
        """
        for domain in self.domains:
            if domain.name == domain_of(name):
                return domain
        known = ", ".join(domain.name for domain in self.domains) or "none"
        raise NotAllowed(f"{name}: the role {self.role} may not convert this; it may convert: {known}")


class _Ledger(msgspec.Struct, frozen=True):
    anchor: str | None = None


class Status(msgspec.Struct, frozen=True):
    """``GET /v1/status``, as far as a job needs it."""

    ready: bool
    ledger: _Ledger
    reason: str | None = None


def read(client: Client) -> tuple[Rights, Status]:
    """What the daemon says.

    Raises:
        HubkitError: it says nothing, or nothing that can be used.
    """
    try:
        return msgspec.convert(client.domains(), Rights), msgspec.convert(client.status(), Status)
    except msgspec.ValidationError as error:
        raise ProtocolError(f"what the daemon says of itself is not of the promised form: {error}") from None


def segment_size(rights: Rights, wanted: int) -> int:
    """Rows of a segment: no more than the role may send in one stream.

    Raises:
        NotAllowed: the role may not use streams.
    """
    if not rights.limits.values_per_stream:
        raise NotAllowed(
            f"the role {rights.role} may not send streams of numbers",
            "ask for values_per_stream of the role in the policy (keyceremony plan policy)",
        )
    return min(wanted, rights.limits.values_per_stream)


def check_purpose(rights: Rights, purpose: str) -> None:
    """Raises NotAllowed unless the role has the purpose."""
    if purpose not in rights.purposes:
        known = ", ".join(rights.purposes) or "none"
        raise NotAllowed(f"purpose {purpose}: the role {rights.role} has it not; it has: {known}")


def for_convert(rights: Rights, source: str, target: str) -> tuple[str, str]:
    """The generations that a conversion is pinned to.

    Raises:
        NotAllowed: no such pair or generation, or one in a state that forbids it.
    """
    _check_pair(rights, domain_of(source), domain_of(target))
    return _pinned(rights, source, READABLE), _pinned(rights, target, (ACTIVE,))


def for_rekey(rights: Rights, old: str, new: str) -> tuple[str, str]:
    """The two generations of a re-keying, which must both be active: every number is also asked back.

    Raises:
        NotAllowed: not two generations of one domain, no such pair, or one that is not active.
    """
    domain = domain_of(old)
    if domain != domain_of(new) or old == new or domain in (old, new):
        raise NotAllowed(
            f"{old} → {new}: re-keying goes from one generation of a domain to another of the same domain",
            "name both, such as --from sspin.C.1 --to sspin.C.2",
        )
    _check_pair(rights, domain, domain)
    for name in (old, new):
        state = _state(rights, name)
        if state != ACTIVE:
            raise NotAllowed(
                f"{name} is {state}; re-keying with a round trip needs both generations active",
                "re-key before the plan that restricts the old key, after the one that activates the new"
                if state != "suspended"
                else "a ceremony has suspended it",
            )
    return old, new


def for_census(rights: Rights, generations: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """The generations of a census, the newest first, and the one that numbers are asked towards.

    The newest goes first: by chance, one number in a million passes as one of another generation, and the many that
    are of the newest must not be taken for old ones.

    Raises:
        NotAllowed: not generations of one domain, no such pair, or one that cannot be read.
    """
    names = {domain_of(name) for name in generations}
    if len(names) != 1 or names & set(generations) or len(set(generations)) != len(generations):
        raise NotAllowed(
            f"{', '.join(generations) or 'nothing'}: a census needs generations of one domain",
            "name them, such as --generations sspin.C.1,sspin.C.2",
        )
    (domain,) = names
    _check_pair(rights, domain, domain)
    current = _pinned(rights, domain, (ACTIVE,))
    newest_first = sorted(generations, key=lambda name: int(name.rpartition(".")[2]), reverse=True)
    return tuple(_pinned(rights, name, READABLE) for name in newest_first), current


def _check_pair(rights: Rights, source: str, target: str) -> None:
    if Pair(source, target) not in rights.pairs:
        raise NotAllowed(
            f"{source} → {target}: the role {rights.role} may not convert this",
            "use the socket of a role that has the pair, or ask for it in the policy (keyceremony plan policy)",
        )


def _pinned(rights: Rights, name: str, states: Sequence[str]) -> str:
    """The generation that a name means now; the root's name as it is."""
    domain = rights.domain(name)
    if name == domain.name:
        if not domain.generations:
            return name
        if domain.current is None:
            raise NotAllowed(f"{name} has no active key", "a ceremony can generate and activate one")
        name = domain.current
    state = _state(rights, name)
    if state not in states:
        raise NotAllowed(f"{name} is {state}; this needs it {' or '.join(states)}")
    return name


def _state(rights: Rights, name: str) -> str:
    for key in rights.domain(name).generations:
        if key.generation == name:
            return key.state
    raise NotAllowed(f"{name}: the ledger has no such key generation")
