"""A participant's own key, found and opened: on their token or in an encrypted PEM file, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from appliance.ledger import cms
from appliance.token.errors import KeyMissing
from appliance.token.token import Token
from keyceremony.commands.options import OwnKey, Where
from keyceremony.errors import KeyNotTheirs
from keyceremony.people import secrets, signers
from keyceremony.table.deciders import Decider


@contextmanager
def own_signer(where: Where, own: OwnKey, theirs: Sequence[Decider]) -> Iterator[tuple[Decider, cms.Signer]]:
    """The key presented, and as whom of ``theirs`` (one person, with one certificate or two) it signs.

    Raises:
        KeyNotTheirs: the token or file holds the key of none of these certificates.
        TokenError, SecretRefused: it cannot be opened.
    """
    if own.pem is not None:
        yield _from_pem(own.pem, secrets.passphrase_for(own.pem, own.passphrase_file), theirs)
        return
    with own.open_token(where.module) as token:
        yield _from_token(str(own.token), token, theirs)


def _from_pem(pem: Path, passphrase: str, theirs: Sequence[Decider]) -> tuple[Decider, cms.Signer]:
    for decider in theirs[:-1]:
        with suppress(KeyNotTheirs):
            return decider, signers.load_pem(pem, passphrase, decider.certificate)
    return theirs[-1], signers.load_pem(pem, passphrase, theirs[-1].certificate)


def _from_token(label: str, token: Token, theirs: Sequence[Decider]) -> tuple[Decider, cms.Signer]:
    for decider in theirs:
        try:
            return decider, token.signer(decider.certificate)
        except KeyMissing:
            continue
    raise KeyNotTheirs(
        f"token {label}: holds no key of the certificate that the roster has for {theirs[0].person.id}",
        "take this person's own token",
    )
