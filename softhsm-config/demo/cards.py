"""A card authority of the demo's own: it issues certificates for keys on SoftHSM "cards", and revokes them.

The certificates are shaped like those for user proof of the public key infrastructure for individuals (公的個人認証):
no name of a person in them, a policy, and where the list of revoked ones is. Keys of cards are made on their tokens by
``pkcs11-tool`` and stay there; the authority's own is in memory, for nobody relies on it.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from appliance.errors import KagimoriError
from appliance.portal.signin.cardid import CardId

DAY = timedelta(days=1)
KINDS = {"rsa": "RSA:2048", "ec": "EC:secp384r1"}
POLICY = ObjectIdentifier("2.5.29.32.0")  # any policy (RFC 5280, section 4.2.1.4)
LIST_ADDRESS = "http://cards.example/user-proof.crl"
CKA_ID = "01"

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class CardError(KagimoriError):
    """A card cannot be made."""


def _name(unit: str, common: str | None = None) -> x509.Name:
    parts = [
        (NameOID.COUNTRY_NAME, "JP"),
        (NameOID.ORGANIZATION_NAME, "Demo"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
    ]
    if common is not None:
        parts.append((NameOID.COMMON_NAME, common))
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in parts])


def _usage(*on: str) -> x509.KeyUsage:
    every = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign"
        " encipher_only decipher_only"
    )
    return x509.KeyUsage(**{name: name in on for name in every.split()})


@dataclass
class Authority:
    """Issues and revokes. ``unit`` tells one from another; ``begins``: its own certificate's, which lasts ten years."""

    unit: str = "Cards for user proof"
    key: PrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()), repr=False)
    begins: datetime = field(default_factory=lambda: datetime.now(UTC) - DAY)
    revoked: dict[int, x509.ReasonFlags | None] = field(default_factory=dict)
    lists: int = 0

    def __post_init__(self) -> None:
        self.name = _name(self.unit)
        key = self.key.public_key()
        builder = (
            self._builder(self.name, key, self.begins, self.begins + 3650 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )
        self.certificate = builder.sign(self.key, hashes.SHA256())

    def issue(
        self, key: PublicKey, *, begins: datetime | None = None, lasts: timedelta = 1826 * DAY
    ) -> x509.Certificate:
        """A certificate for a card's key, valid from now unless told otherwise, for five years."""
        start = begins or datetime.now(UTC) - timedelta(minutes=1)
        subject = _name("User proof", f"{secrets.token_hex(8).upper()}{secrets.token_hex(5).upper()}")
        return self.profile(self._builder(subject, key, start, start + lasts), key).sign(self.key, hashes.SHA256())

    def profile(self, builder: x509.CertificateBuilder, key: PublicKey) -> x509.CertificateBuilder:
        """What a card's certificate says of itself."""
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(LIST_ADDRESS)], None, None, None)
        return (
            builder.add_extension(_usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.CertificatePolicies([x509.PolicyInformation(POLICY, None)]), critical=True)
            .add_extension(x509.CRLDistributionPoints([point]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )

    def revoke(self, certificate: x509.Certificate, reason: x509.ReasonFlags | None = None) -> None:
        """Take a card back; the next list tells."""
        self.revoked[certificate.serial_number] = reason

    def crl(self, now: datetime | None = None, lasts: timedelta = 7 * DAY) -> bytes:
        """The next revocation list (PEM)."""
        self.lists += 1
        begins = now or datetime.now(UTC) - timedelta(minutes=1)
        builder = x509.CertificateRevocationListBuilder(self.name, begins, begins + lasts)
        for serial, reason in self.revoked.items():
            entry = x509.RevokedCertificateBuilder(serial, begins)
            builder = builder.add_revoked_certificate(
                (entry.add_extension(x509.CRLReason(reason), critical=False) if reason else entry).build()
            )
        builder = builder.add_extension(x509.CRLNumber(self.lists), critical=False).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
        )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def card_id(self, certificate: x509.Certificate) -> CardId:
        """What the register calls the card."""
        key = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return CardId.of(key, certificate.serial_number)

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Its certificate and its next revocation list in a folder, each put in its place whole; their paths."""
        paths = folder / "authority.pem", folder / "revoked.crl"
        for path, data in zip(paths, (self.certificate.public_bytes(Encoding.PEM), self.crl()), strict=True):
            put(path, data)
        return paths

    def _builder(self, subject: x509.Name, key: PublicKey, begins: datetime, ends: datetime) -> x509.CertificateBuilder:
        serial = x509.random_serial_number()
        return x509.CertificateBuilder(self.name, subject, key, serial, begins, ends)


def put(path: Path, data: bytes) -> None:
    """A file, whole, in the place of the one of that name."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(data)
    temporary.chmod(0o644)
    temporary.replace(path)


@dataclass(frozen=True)
class Card:
    """A token that has a PIN already. ``environment``: that in which its module sees it."""

    tool: Path  # pkcs11-tool
    module: Path
    label: str
    pin_file: Path
    environment: dict[str, str] = field(repr=False)

    def make_key(self, kind: str) -> PublicKey:
        """A key pair, made on the card: ``rsa`` (2048 bits) or ``ec`` (P-384). The public half.

        Raises:
            CardError: the card refused.
        """
        self._run("--keypairgen", "--key-type", KINDS[kind], "--usage-sign", "--id", CKA_ID, "--label", "user proof")
        return self._rsa_key() if kind == "rsa" else self._ec_key()

    def _rsa_key(self) -> PublicKey:
        key = serialization.load_der_public_key(self._run("--read-object", "--type", "pubkey", "--id", CKA_ID))
        if not isinstance(key, rsa.RSAPublicKey):
            raise CardError(f"card {self.label}: another kind of key came out than was asked for")
        return key

    def _ec_key(self) -> PublicKey:
        """Read from the tool's listing, for some versions of it cannot hand out keys on P-384."""
        listed = self._run("--list-objects", "--type", "pubkey", "--id", CKA_ID).decode("utf-8", "replace")
        point = re.search(r"EC_POINT:\s+0461(04[0-9a-f]{192})\b", listed)
        if point is None:
            raise CardError(f"card {self.label}: no public key on P-384 came out")
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), bytes.fromhex(point[1]))

    def keep(self, certificate: x509.Certificate) -> None:
        """Put the certificate beside its key, where anybody can read it.

        Raises:
            CardError: the card refused.
        """
        path = self.pin_file.with_name(f"{self.label}.der")
        path.write_bytes(certificate.public_bytes(Encoding.DER))
        try:
            self._run("--write-object", str(path), "--type", "cert", "--id", CKA_ID, "--label", "user proof")
        finally:
            path.unlink()

    def _run(self, *arguments: str) -> bytes:
        """The tool, logged in. It takes the PIN from a variable, which no other user can read."""
        pin = {"KAGIMORI_CARD_PIN": self.pin_file.read_text(encoding="utf-8").strip()}
        login = ["--module", str(self.module), "--token-label", self.label, "--login", "--pin", "env:KAGIMORI_CARD_PIN"]
        done = subprocess.run(
            [str(self.tool), *login, *arguments],
            env={**os.environ, **self.environment, **pin},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise CardError(f"card {self.label}: {done.stderr.decode('utf-8', 'replace').strip().splitlines()[-1]}")
        return done.stdout
