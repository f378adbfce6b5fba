"""A token's identity key: it signs what was done with the token, and its certificate is ledger content."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from appliance.ledger import certificate, cms
from appliance.token.token import Token
from keyceremony.act.work.bench import Bench
from keyceremony.errors import JournalMismatch

LABEL = "identity"
_NO_EXPIRY = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # RFC 5280, 4.1.2.5: no well-defined end


@dataclass(frozen=True)
class Identity:
    """An identity key on a token. ``certificate``: DER."""

    serial: str
    key_id: bytes
    certificate: bytes

    def signer(self, bench: Bench) -> cms.Signer:
        """The signer, on the token that holds the key."""
        return bench.desk.token(self.serial).signer(self.certificate, key_id=self.key_id)


def make(bench: Bench, step: str, serial: str) -> Identity:
    """A new P-256 key on the token, with a self-signed certificate beside it.

    Raises:
        TokenError: the token refused or is gone.
    """
    token = bench.desk.token(serial)

    def making(key_id: bytes) -> None:
        on_token(token, key_id)

    key_id, _ = bench.make(step, serial, f"identity key of {token.facts.label}", making)
    return Identity(serial, key_id, _certificate(bench.desk.token(serial), key_id))


def _certificate(token: Token, key_id: bytes) -> bytes:
    """As the token has it, whatever a journal says."""
    found = [der for held, _, der in token.certificates() if held == key_id]
    if len(found) != 1:
        raise JournalMismatch(f"token {token.facts.label}: {len(found)} certificates for {key_id.hex()}; must be one")
    return found[0]


def on_token(token: Token, key_id: bytes) -> None:
    """Key and certificate on the token."""
    public = token.generate_signing_key(key_id, LABEL)
    signer = token.signer(b"", key_id=key_id)
    name = f"Kagimori {token.facts.label}"
    der = certificate.self_signed(name, public, signer.sign, datetime.now(UTC), _NO_EXPIRY)
    token.store_certificate(key_id, LABEL, der)
