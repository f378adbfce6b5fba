"""What a rogue operator could do to tokens, one deed a process: ``tokentamper.py DEED LABEL SERIAL [KEY_ID]``.

With the PINs of the stage: they are what such a person would have.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import Attribute, ObjectClass

from appliance.ledger import certificate
from appliance.token import logtemplates, publickeys, so
from appliance.token.token import Token

MODULE = Path(os.environ["KAGIMORI_MODULE"])
PIN = os.environ["KAGIMORI_TEST_PIN"]
YEAR = timedelta(days=365)


def exchange_trusted(label: str, serial: str, key_id: bytes) -> None:
    """A transport key in software takes the place of the one that was enrolled, trusted by the SO."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with Token.open(MODULE, label=label, serial=serial, pin=PIN, writable=True) as token:
        token.destroy(key_id)
    pins = {"label": label, "serial": serial, "so_pin": f"so-{PIN}"}
    so.import_trusted(MODULE, **pins, key_id=key_id, name="transport", public_key=public)


def exchange_copy(label: str, serial: str, key_id: bytes) -> None:
    """Another key under the same identifier."""
    with Token.open(MODULE, label=label, serial=serial, pin=PIN, writable=True) as token:
        name = token.label(key_id)
        token.destroy(key_id)
        token.generate_conversion_key(key_id, name, backed_up=True)


def add(label: str, serial: str, key_id: bytes) -> None:
    """A key that nobody agreed on."""
    with Token.open(MODULE, label=label, serial=serial, pin=PIN, writable=True) as token:
        token.generate_conversion_key(key_id, "sspin.Z.1")


def remove(label: str, serial: str, key_id: bytes) -> None:
    """A key less."""
    with Token.open(MODULE, label=label, serial=serial, pin=PIN, writable=True) as token:
        token.destroy(key_id)


def relabel(label: str, serial: str, key_id: bytes) -> None:
    """A wrong name."""
    with Token.open(MODULE, label=label, serial=serial, pin=PIN, writable=True) as token:
        token.relabel(key_id, "sspin.X.9")


def exchange_identity(label: str, serial: str, key_id: bytes) -> None:
    """Another private key under the certificate that the ledger knows."""
    with Token.open(MODULE, label=label, serial=serial, pin=PIN, writable=True) as token:
        token.destroy(key_id)
        token.generate_signing_key(key_id, "identity")
        token.store_certificate(key_id, "identity", on_token_certificate(token, key_id))


def on_token_certificate(token: Token, key_id: bytes) -> bytes:
    """A certificate for the key that is there now."""
    public = publickeys.info(token._public_key(key_id))
    now = datetime.now(UTC)
    return certificate.self_signed("Kagimori", public, token.signer(b"", key_id=key_id).sign, now, now + YEAR)


def exchange_transport(label: str, serial: str, key_id: bytes) -> None:
    """Another pair under the same identifier."""
    with Token.open(MODULE, label=label, serial=serial, pin=PIN, writable=True) as token:
        token.destroy(key_id)
        token.generate_transport_key(key_id, "transport")


def exchange_log(label: str, serial: str, key_id: bytes) -> None:
    """Another pair that signs under a log key's identifier and name."""
    with Token.open(MODULE, label=label, serial=serial, pin=PIN, writable=True) as token:
        name = token.label(key_id)
        token.destroy(key_id)
        token.generate_log_key(key_id, name)


def exchange_public(label: str, serial: str, key_id: bytes) -> None:
    """Another public half beside a log key's private one: who believes the token would verify with it."""
    with Token.open(MODULE, label=label, serial=serial, pin=PIN, writable=True) as token:
        (public,) = token._objects.search({Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.ID: key_id})
        name = token.label(key_id)
        public.destroy()
        point = b"\x04\x20" + Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        token._objects.session.create_object({**logtemplates.log_public_key(key_id, name), Attribute.EC_POINT: point})


def halve(label: str, serial: str, key_id: bytes) -> None:
    """The public half goes."""
    with Token.open(MODULE, label=label, serial=serial, pin=PIN, writable=True) as token:
        (public,) = token._objects.search({Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.ID: key_id})
        public.destroy()


def loosen(label: str, serial: str, key_id: bytes) -> None:
    """A log key is let do more than sign."""
    with Token.open(MODULE, label=label, serial=serial, pin=PIN, writable=True) as token:
        token._objects.one_key(key_id)[Attribute.DERIVE] = True


def add_log(label: str, serial: str, key_id: bytes) -> None:
    """A pair that nobody agreed on."""
    with Token.open(MODULE, label=label, serial=serial, pin=PIN, writable=True) as token:
        token.generate_log_key(key_id, "log.9")


DEEDS: dict[str, Callable[[str, str, bytes], None]] = {
    "exchange-trusted": exchange_trusted,
    "exchange-copy": exchange_copy,
    "exchange-identity": exchange_identity,
    "exchange-transport": exchange_transport,
    "exchange-log": exchange_log,
    "exchange-public": exchange_public,
    "halve": halve,
    "loosen": loosen,
    "add": add,
    "add-log": add_log,
    "remove": remove,
    "relabel": relabel,
}

if __name__ == "__main__":
    DEEDS[sys.argv[1]](sys.argv[2], sys.argv[3], bytes.fromhex(sys.argv[4]))
