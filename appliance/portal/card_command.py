"""``appliance card``: the citizen's own tool, which signs a portal's challenge with their card and shows what is on it.

It signs challenges of sign-in and nothing else, says to whom the answer is meant before it asks for the PIN, and tries
the PIN once. It is the only part of the portal that touches a token, and runs on the citizen's own machine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.commandline import FAILED, visible
from appliance.configuration import read_pin
from appliance.portal import card_terminal, holders_command
from appliance.portal.card_words import WORDS, CardToolError, Language, NotThisPortal, language, moment, told_in

if TYPE_CHECKING:
    from cryptography import x509

    from appliance.portal.signin.challenge import Challenge

# What works on a token or a certificate is imported by the commands: it takes longer to load than most of them run.
# ruff: noqa: PLC0415

LONGEST_CHALLENGE = 4_096
_HELP = """Your card: sign in to a portal with it, see what is on it (カードでのサインイン).

\b
sign     sign a portal's challenge
show     show the certificates on the card
holders  for the register's side: whose card is whose

Step by step: docs/card-signin.md
"""
_PATH = click.Path(path_type=Path)
_CARD = (
    click.option("--module", type=_PATH, required=True, help="The card's PKCS#11 module, by its full path."),
    click.option("--label", required=True, help="The card's label, as the module tells it."),
    click.option("--serial", help="Its serial number, where several have the label."),
    click.option("--id", "key_id", metavar="HEX", help="The certificate, where several fit (CKA_ID)."),
    click.option("--lang", type=click.Choice(["ja", "en"]), help="The language (default: that of the environment)."),
)


@dataclass(frozen=True)
class _Card:
    """Which card, and in which language its owner is spoken to."""

    module: Path
    label: str
    serial: str | None
    key_id: str | None
    lang: Language

    def word(self, key: str, *parts: object) -> str:
        return WORDS[self.lang][key].format(*parts)

    def words(self, key: str, *parts: object) -> tuple[str, str]:
        """A message and its hint."""
        return self.word(key, *parts), self.word(f"{key}_hint")


def _on_card(function: Any) -> Any:
    for option in reversed(_CARD):
        function = option(function)
    return function


@click.group("card", help=_HELP)
def card() -> None:
    """All commands."""


@card.command("sign")
@_on_card
@click.option("--pin-file", type=_PATH, help="A file with the PIN, that you alone can read. Else it is asked for.")
@click.option("--portal", metavar="ORIGIN", help="Sign for this portal only, without a question.")
@click.option("--out", type=_PATH, metavar="FILE", help="Write the answer there (never overwritten), not to stdout.")
@click.argument("challenge", type=click.Path(path_type=Path, allow_dash=True), default=Path("-"))
def sign(challenge: Path, pin_file: Path | None, portal: str | None, out: Path | None, **which: Any) -> None:
    r"""Sign a portal's CHALLENGE (a file, or - for standard input); the answer goes to standard output.

    What is signed is shown on standard error first. The PIN is tried once.

    \b
    appliance card sign --module /usr/lib/opensc-pkcs11.so --label CARD challenge.json
    """
    from appliance.token import slots
    from appliance.token.token import Token

    own = _card(which)
    asked = _read_challenge(own, challenge)
    if out is not None and out.exists():
        raise CardToolError(*own.words("exists", out))
    with told_in(own.lang):
        slots.require_file(own.module)
        certificate = _chosen(own, _certificates(own))
    _show_challenge(own, asked, certificate)
    _agree(own, asked, portal)
    pin = read_pin(pin_file) if pin_file else card_terminal.ask_pin(WORDS[own.lang], own.label)
    try:
        with told_in(own.lang), Token.open(own.module, label=own.label, serial=own.serial, pin=pin) as token:
            answer = _signed(token, asked, certificate)
    finally:
        pin = ""
    _deliver(own, answer, out)


@card.command("show")
@_on_card
def show(**which: Any) -> int:
    """Show the certificates for signing in on the card; no PIN is needed. The exit code is 1 if none is in force."""
    own = _card(which)
    with told_in(own.lang):
        found = _certificates(own)
    if not found:
        raise CardToolError(*own.words("no_certificate", own.label))
    click.echo(own.word("show_head"))
    for key_id, certificate in found:
        rows = [("id", key_id.hex()), *_rows(own, certificate)]
        click.echo("\n" + "\n".join(_line(own, key, text) for key, text in rows))
    return 0 if any(_standing(certificate) == "in_force" for _, certificate in found) else FAILED


def _card(which: dict[str, Any]) -> _Card:
    return _Card(**{**which, "lang": language(which["lang"]), "module": which["module"].absolute()})


# --- what is to be signed ---------------------------------------------------------------------------


def _read_challenge(own: _Card, path: Path) -> Challenge:
    from appliance.portal.signin.challenge import parse
    from appliance.portal.signin.reasons import ChallengeRefused

    try:
        with sys.stdin.buffer if str(path) == "-" else path.open("rb") as file:
            data = file.read(LONGEST_CHALLENGE)
    except OSError as error:
        raise CardToolError(*own.words("unreadable", path, error.strerror)) from None
    try:
        return parse(data.strip())
    except ChallengeRefused:
        raise CardToolError(*own.words("no_challenge", path)) from None


def _show_challenge(own: _Card, asked: Challenge, certificate: x509.Certificate) -> None:
    from appliance.ledger.text import parse_instant

    issued, expires = (parse_instant("time", text) for text in (asked.issued, asked.expires))
    click.echo(own.word("sign_head"), err=True)
    rows = [("portal", asked.portal), ("issued", moment(issued, own.lang)), ("expires", moment(expires, own.lang))]
    for key, text in [*rows, *_rows(own, certificate)[:1]]:
        click.echo(_line(own, key, text), err=True)
    click.echo(own.word("address", f"{asked.portal}/"), err=True)
    if datetime.now(UTC) > expires:
        click.echo(own.word("late"), err=True)


def _agree(own: _Card, asked: Challenge, portal: str | None) -> None:
    """The portal is the one that was named, or the person says so at the terminal.

    Raises:
        NotThisPortal: neither.
    """
    from appliance.web.origin import Origin

    if portal is None:
        if card_terminal.ask(WORDS[own.lang], own.word("agree")).lower() not in ("y", "yes", "はい"):
            raise NotThisPortal(*own.words("not_agreed"))
        return
    try:
        named = str(Origin.parse(portal))
    except ValueError:
        raise NotThisPortal(*own.words("no_origin", portal)) from None
    if named != asked.portal:
        raise NotThisPortal(*own.words("other_portal", asked.portal, named))


def _signed(token: Any, asked: Challenge, certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    from appliance.ledger import cms
    from appliance.portal.signin import answer

    signer = token.signer(certificate.public_bytes(Encoding.DER))
    return answer.armoured(cms.sign(asked.document, signer, datetime.now(UTC)))


def _deliver(own: _Card, answer: str, out: Path | None) -> None:
    if out is None:
        click.echo(answer, nl=False)
        return
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise CardToolError(*own.words("exists", out)) from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(answer)
    click.echo(own.word("written", out), err=True)


# --- what is on the card ----------------------------------------------------------------------------


def _certificates(own: _Card) -> list[tuple[bytes, x509.Certificate]]:
    """CKA_ID and certificate of all that one can sign in with; they are public, so no PIN is needed."""
    from appliance.portal.signin import profile
    from appliance.token.signingkeys import SigningKeys

    found = []
    with _public(own) as objects:
        keys = SigningKeys()
        keys._objects = objects  # what is public on a token that nobody has logged in to
        for key_id, _, der in keys.certificates():
            try:
                certificate = profile.read(der)
                profile.require_for_signing_in(certificate)
            except (profile.Unreadable, profile.Unsuitable):
                continue
            found.append((key_id, certificate))
    return [(key_id, certificate) for key_id, certificate in found if own.key_id in (None, key_id.hex())]


@contextmanager
def _public(own: _Card) -> Iterator[Any]:
    from appliance.token import slots
    from appliance.token.errors import asking
    from appliance.token.guard import OWNER
    from appliance.token.objects import Objects

    OWNER.claim()
    handle = slots.find(slots.load(own.module), own.label, own.serial)
    name = slots.described(handle)
    with asking(f"open {name}"):
        session = handle.open()
    try:
        yield Objects(session, name)
    finally:
        with asking(f"close {name}"):
            session.close()


def _chosen(own: _Card, found: list[tuple[bytes, x509.Certificate]]) -> x509.Certificate:
    """The one there is, or the one of several that is in force. With an expired one alone, the portal says so."""
    if not found:
        raise CardToolError(*own.words("no_certificate", own.label))
    if len(found) > 1:
        found = [one for one in found if _standing(one[1]) == "in_force"] or found
    if len(found) > 1:
        raise CardToolError(*own.words("several", own.label, ", ".join(key_id.hex() for key_id, _ in found)))
    return found[0][1]


def _rows(own: _Card, certificate: x509.Certificate) -> list[tuple[str, str]]:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.hashes import SHA256

    key = certificate.public_key()
    kind = f"RSA {key.key_size}" if isinstance(key, rsa.RSAPublicKey) else f"EC {key.curve.name}"  # type: ignore[union-attr]
    ends = (moment(when, own.lang) for when in (certificate.not_valid_before_utc, certificate.not_valid_after_utc))
    return [
        ("subject", certificate.subject.rfc4514_string()),
        ("issuer", certificate.issuer.rfc4514_string()),
        ("serial", f"{certificate.serial_number:x}"),
        ("validity", own.word("from_to", *ends, own.word(_standing(certificate)))),
        ("key", kind),
        ("fingerprint", certificate.fingerprint(SHA256()).hex()),
    ]


def _standing(certificate: x509.Certificate) -> str:
    now = datetime.now(UTC)
    if now < certificate.not_valid_before_utc:
        return "early"
    return "over" if now > certificate.not_valid_after_utc else "in_force"


def _line(own: _Card, key: str, text: str) -> str:
    return f"  {own.word(key)}: {visible(text)}"


card.add_command(holders_command.command)
