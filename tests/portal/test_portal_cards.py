"""Certificates of cards: which are good, by our rules and by those of OpenSSL."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cardkit import DAY, CardWorld, SoftCard, build, cards, key
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from signinkit import NOW

from appliance.portal.signin.authority import Authorities
from appliance.portal.signin.reasons import CardRefused, Reason, SignInUnusable
from tests.world import softhsm

Builder = x509.CertificateBuilder


@pytest.fixture
def world(tmp_path: Path) -> CardWorld:
    return build(tmp_path / "world", NOW)


def authorities(world: CardWorld) -> Authorities:
    return Authorities([world.authority_path], [world.crl_path])


def verdict(world: CardWorld, der: bytes, moment: datetime = NOW) -> Reason | None:
    try:
        authorities(world).check(der, moment)
    except CardRefused as refused:
        return refused.reason
    return None


EXPECTED = {
    "rsa": None,
    "ec": None,
    "stranger": None,
    "expired": Reason.EXPIRED,
    "early": Reason.NOT_YET_VALID,
    "revoked": Reason.REVOKED,
    "held": Reason.REVOKED,
    "foreign": Reason.OTHER_AUTHORITY,
}


def test_each_kind_of_card_has_its_reason(world: CardWorld) -> None:
    assert {name: verdict(world, card.der) for name, card in world.cards.items()} == EXPECTED


def test_the_card_is_called_by_authority_and_serial(world: CardWorld) -> None:
    certificate = world.cards["rsa"].certificate
    assert authorities(world).check(world.cards["rsa"].der, NOW) == world.authority.card_id(certificate)


@pytest.mark.parametrize("name", EXPECTED)
def test_openssl_agrees(world: CardWorld, name: str) -> None:
    """`openssl verify -crl_check` lets pass just those that we do."""
    (world.folder / "card.pem").write_bytes(world.cards[name].certificate.public_bytes(Encoding.PEM))
    words = f"verify -crl_check -attime {int(NOW.timestamp())} -CAfile authority.pem -CRLfile revoked.crl card.pem"
    tool = str(softhsm()["KAGIMORI_OPENSSL"])
    done = subprocess.run([tool, *words.split()], cwd=world.folder, capture_output=True, text=True)
    assert (done.returncode == 0) is (EXPECTED[name] is None), done.stderr


def test_the_borders_of_validity(world: CardWorld) -> None:
    card = world.issue("border", begins=NOW, lasts=timedelta(minutes=10))
    world.refresh()
    second = timedelta(seconds=1)
    moments = (NOW - second, NOW, NOW + 600 * second, NOW + 601 * second)
    assert [verdict(world, card.der, at) for at in moments] == [Reason.NOT_YET_VALID, None, None, Reason.EXPIRED]


def issued(
    world: CardWorld,
    change: Callable[[Builder], Builder] = lambda builder: builder,
    *,
    kind: str = "rsa",
    signer: Any = None,
    issuer: x509.Name | None = None,
    **how: Any,
) -> bytes:
    """A certificate of the test's own making, by the authority's key unless told otherwise."""
    public = key(kind).public_key() if isinstance(kind, str) else kind
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "card")])
    number = how.pop("serial", None) or x509.random_serial_number()
    builder = Builder(world.authority.name if issuer is None else issuer, name, public, number, NOW - DAY, NOW + DAY)
    chosen = signer or world.authority.key
    return change(builder).sign(chosen, how.pop("digest", hashes.SHA256()), **how).public_bytes(Encoding.DER)


def usage(*on: str) -> Callable[[Builder], Builder]:
    return lambda builder: builder.add_extension(cards._usage(*on), critical=True)


def signing(*more: tuple[x509.ExtensionType, bool]) -> Callable[[Builder], Builder]:
    def change(builder: Builder) -> Builder:
        builder = usage("digital_signature")(builder)
        for extension, critical in more:
            builder = builder.add_extension(extension, critical)
        return builder

    return change


PURPOSE, UNKNOWN = ExtendedKeyUsageOID, ObjectIdentifier("1.3.6.1.4.1.99999.1")
POINT = x509.DistributionPoint([x509.DirectoryName(x509.Name([]))], None, None, None)
POLICIES = x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier("1.2.392.200149.8.5.1.3.10"), None)])


@pytest.mark.parametrize(
    "change",
    [
        signing(),
        signing((x509.BasicConstraints(False, None), True)),
        signing((POLICIES, True), (x509.ExtendedKeyUsage([PURPOSE.CLIENT_AUTH]), True)),
        signing((x509.IssuerAlternativeName([x509.DirectoryName(x509.Name([]))]), False)),
        signing((x509.ExtendedKeyUsage([PURPOSE.ANY_EXTENDED_KEY_USAGE]), False)),
        signing((x509.UnrecognizedExtension(UNKNOWN, b"\x05\x00"), False)),
        signing((x509.CRLDistributionPoints([POINT]), False)),
        usage("digital_signature", "content_commitment"),
    ],
)
def test_these_profiles_are_signed_in_with(world: CardWorld, change: Callable[[Builder], Builder]) -> None:
    assert verdict(world, issued(world, change)) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda builder: builder,
        usage("content_commitment"),
        usage("key_encipherment"),
        signing((x509.BasicConstraints(True, 0), True)),
        signing((x509.ExtendedKeyUsage([PURPOSE.SERVER_AUTH]), False)),
        signing((x509.ExtendedKeyUsage([PURPOSE.EMAIL_PROTECTION]), True)),
        signing((x509.UnrecognizedExtension(UNKNOWN, b"\x05\x00"), True)),
        signing((x509.NameConstraints([x509.DNSName("a")], None), True)),
        signing((x509.InhibitAnyPolicy(0), True)),
    ],
)
def test_these_are_not_for_signing_in(world: CardWorld, change: Callable[[Builder], Builder]) -> None:
    assert verdict(world, issued(world, change)) is Reason.NOT_FOR_SIGNING


@pytest.mark.parametrize("kind", ["rsa1024", "p521", ed25519.Ed25519PrivateKey.generate().public_key()])
def test_weak_and_strange_keys_are_refused(world: CardWorld, kind: Any) -> None:
    assert verdict(world, issued(world, signing(), kind=kind)) is Reason.MALFORMED


def test_strange_signature_algorithms_are_refused(world: CardWorld) -> None:
    world.authority.key = key("rsa")
    world.authority.__post_init__()
    world.refresh()
    assert verdict(world, issued(world, signing())) is None
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    assert verdict(world, issued(world, signing(), rsa_padding=pss)) is Reason.MALFORMED
    assert verdict(world, issued(world, signing(), digest=hashes.SHA224())) is Reason.MALFORMED


def test_who_takes_the_authoritys_name_is_another_authority(world: CardWorld) -> None:
    assert verdict(world, issued(world, signing(), signer=key("ec"))) is Reason.OTHER_AUTHORITY
    for other in (world.foreign.name, x509.Name([]), x509.Name(list(world.authority.name)[::-1])):
        assert verdict(world, issued(world, signing(), issuer=other)) is Reason.OTHER_AUTHORITY


def test_the_name_is_compared_byte_for_byte(world: CardWorld) -> None:
    """The same letters as another kind of string are another name."""
    as_printable = [
        x509.NameAttribute(part.oid, str(part.value), x509.name._ASN1Type.PrintableString)
        for part in world.authority.name
    ]
    assert verdict(world, issued(world, signing(), issuer=x509.Name(as_printable))) is Reason.OTHER_AUTHORITY


def test_a_card_vouches_for_nobody(world: CardWorld) -> None:
    card = world.cards["rsa"]
    assert verdict(world, issued(world, signing(), signer=card.key, issuer=card.certificate.subject)) is (
        Reason.OTHER_AUTHORITY
    )


@pytest.mark.parametrize("place", [0, 4, 40, 200, -1, -30])
def test_a_changed_certificate_is_never_good(world: CardWorld, place: int) -> None:
    der = bytearray(world.cards["rsa"].der)
    der[place] ^= 1
    assert verdict(world, bytes(der)) in (Reason.MALFORMED, Reason.OTHER_AUTHORITY)


@pytest.mark.parametrize("times", [1, 2])
def test_a_name_that_cannot_be_read_is_malformed(world: CardWorld, times: int) -> None:
    """In the issuer's name alone, which nothing looks at before it is compared; or in both."""
    der = world.cards["rsa"].der
    assert der.count(b"\x13\x02JP") == 2
    assert verdict(world, der.replace(b"\x13\x02JP", b"\x0d\x02JP", times)) is Reason.MALFORMED


@pytest.mark.parametrize("der", [b"", b"0", b"\x30\x80", b"A" * 20_000])
def test_noise_is_malformed(world: CardWorld, der: bytes) -> None:
    assert verdict(world, der) is Reason.MALFORMED
    assert verdict(world, world.cards["rsa"].der + der) is (Reason.MALFORMED if der else None)


def test_an_authority_out_of_force_vouches_no_more(world: CardWorld) -> None:
    moment = world.authority.certificate.not_valid_after_utc + timedelta(seconds=1)
    card = world.issue("late", begins=moment - DAY)
    cards.put(world.crl_path, world.authority.crl(moment - DAY))
    assert verdict(world, card.der, moment) is Reason.OTHER_AUTHORITY
    assert verdict(world, card.der, moment - timedelta(seconds=1)) is None


def test_two_authorities_of_one_name_are_told_apart_by_their_keys(world: CardWorld) -> None:
    """As when an authority takes a new key; each has its own revocation list."""
    renewed = cards.Authority("Cards", key("ec"), begins=NOW - DAY)
    new, list_of_new = world.folder / "new.pem", world.folder / "new.crl"
    cards.put(new, renewed.certificate.public_bytes(Encoding.PEM))
    cards.put(list_of_new, renewed.crl(NOW - DAY))
    both = Authorities([world.authority_path, new], [list_of_new, world.crl_path])
    card = SoftCard(key("rsa"), renewed.issue(key("rsa").public_key(), begins=NOW - DAY))
    assert both.check(card.der, NOW) == renewed.card_id(card.certificate)
    assert both.check(world.cards["rsa"].der, NOW).issuer != renewed.card_id(card.certificate).issuer
    with pytest.raises(CardRefused, match="revoked or is on hold"):
        both.check(world.cards["revoked"].der, NOW)


# --- authorities that are refused when the portal starts -----------------------------------------------


def authority_file(world: CardWorld, change: Callable[[Builder], Builder], signer: Any = None) -> Path:
    name, public = world.authority.name, world.authority.key.public_key()
    builder = change(Builder(name, name, public, 7, NOW - DAY, NOW + DAY))
    path = world.folder / "odd.pem"
    cards.put(path, builder.sign(signer or world.authority.key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (usage("key_cert_sign", "crl_sign"), "not an authority's certificate"),
        (lambda b: b.add_extension(x509.BasicConstraints(True, 0), True), "may not sign certificates and revocation"),
        (
            lambda b: usage("key_cert_sign")(b.add_extension(x509.BasicConstraints(True, 0), True)),
            "may not sign certificates and revocation",
        ),
        (
            lambda b: usage("key_cert_sign", "crl_sign")(
                b.add_extension(x509.BasicConstraints(True, 0), True).add_extension(x509.InhibitAnyPolicy(0), True)
            ),
            "something critical",
        ),
    ],
)
def test_what_is_no_authority_is_not_started_with(
    world: CardWorld, change: Callable[[Builder], Builder], words: str
) -> None:
    with pytest.raises(SignInUnusable, match=words):
        Authorities([authority_file(world, change)], [world.crl_path])


def test_an_authority_whose_own_signature_is_wrong(world: CardWorld) -> None:
    def change(builder: Builder) -> Builder:
        return usage("key_cert_sign", "crl_sign")(builder.add_extension(x509.BasicConstraints(True, 0), True))

    with pytest.raises(SignInUnusable, match="its own signature does not verify"):
        Authorities([authority_file(world, change, key("ec"))], [world.crl_path])
    assert Authorities([authority_file(world, change)], [world.crl_path])


def test_files_that_cannot_be_used(world: CardWorld) -> None:
    good, list_file = world.authority_path, world.crl_path
    two = world.folder / "two.pem"
    two.write_bytes(good.read_bytes() * 2)
    card = world.folder / "card.pem"
    card.write_bytes(world.cards["rsa"].certificate.public_bytes(Encoding.PEM))
    open_to_all = world.folder / "open.pem"
    open_to_all.write_bytes(good.read_bytes())
    open_to_all.chmod(0o666)
    large = world.folder / "large.pem"
    large.write_bytes(b"-" * 70_000)
    for path, words in (
        (two, "not exactly one certificate"),
        (card, "not an authority's certificate"),
        (open_to_all, "anybody may write to it"),
        (large, "larger than 65536 bytes"),
        (world.folder / "none.pem", "No such file"),
        (world.folder, "not a regular file|Is a directory"),
        (list_file, "not exactly one certificate"),
    ):
        with pytest.raises(SignInUnusable, match=words) as refused:
            Authorities([path], [list_file])
        assert str(path) in refused.value.message
    der = world.folder / "authority.der"
    der.write_bytes(world.authority.certificate.public_bytes(Encoding.DER))
    assert Authorities([der], [list_file]).check(world.cards["rsa"].der, NOW)


def test_an_authority_without_a_list_is_not_started_with(world: CardWorld) -> None:
    with pytest.raises(SignInUnusable, match="no revocation list of it is named"):
        Authorities([world.authority_path], [])
    with pytest.raises(SignInUnusable, match="no card authority is named"):
        Authorities([], [])
