"""Revocation lists: which are taken, which are in force, how a newer one comes in, and how large one may be."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import crl as asn1
from cardkit import DAY, CardWorld, build, cards, key
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st
from signinkit import NOW

from appliance.ledger.der import CONTEXT_0, INTEGER, UTC_TIME, oid, sequence, tlv
from appliance.portal.signin import crl
from appliance.portal.signin.authority import Authorities
from appliance.portal.signin.crl import ListRefused, Serials
from appliance.portal.signin.reasons import CardRefused, Reason, SignInUnusable

Builder = x509.CertificateRevocationListBuilder
UNKNOWN = ObjectIdentifier("1.3.6.1.4.1.99999.1")
HOUR = timedelta(hours=1)


@pytest.fixture
def world(tmp_path: Path) -> CardWorld:
    return build(tmp_path / "world", NOW)


def put(
    world: CardWorld,
    *extensions: tuple[x509.ExtensionType, bool],
    number: int | None = 50,
    begins: Any = NOW - HOUR,
    lasts: timedelta = DAY,
    entries: tuple[x509.RevokedCertificate, ...] = (),
    signer: Any = None,
    path: Path | None = None,
) -> Path:
    """A list of the test's own making in the place of the authority's."""
    builder = Builder(world.authority.name, begins, begins + lasts, revoked_certificates=list(entries))
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    path = path or world.crl_path
    cards.put(path, builder.sign(signer or world.authority.key, hashes.SHA256()).public_bytes(Encoding.DER))
    return path


def authorities(world: CardWorld) -> Authorities:
    return Authorities([world.authority_path], [world.crl_path])


def verdict(judge: Authorities, world: CardWorld, card: str = "rsa", moment: Any = NOW) -> Reason | None:
    try:
        judge.check(world.cards[card].der, moment)
    except CardRefused as refused:
        return refused.reason
    return None


def entry(world: CardWorld, card: str, *extensions: x509.ExtensionType) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder(world.cards[card].certificate.serial_number, NOW - DAY)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.build()


def scope(**what: Any) -> x509.IssuingDistributionPoint:
    names = {"full_name": None, "relative_name": None, "only_some_reasons": None}
    flags = ("only_contains_user_certs", "only_contains_ca_certs", "indirect_crl", "only_contains_attribute_certs")
    return x509.IssuingDistributionPoint(**{**names, **dict.fromkeys(flags, False), **what})


# --- which are taken ------------------------------------------------------------------------------------


def test_pem_and_der_are_read(world: CardWorld) -> None:
    assert verdict(authorities(world), world) is None
    put(world)
    assert verdict(authorities(world), world) is None


@pytest.mark.parametrize(
    ("extensions", "words"),
    [
        ([(x509.DeltaCRLIndicator(1), True)], "a delta list"),
        ([(scope(indirect_crl=True), True)], "an indirect list"),
        ([(scope(only_contains_ca_certs=True), True)], "not a list of every revoked card"),
        ([(scope(only_contains_attribute_certs=True), True)], "not a list of every revoked card"),
        ([(scope(only_some_reasons=frozenset([x509.ReasonFlags.key_compromise])), True)], "not a list of every"),
        ([(x509.UnrecognizedExtension(UNKNOWN, b"\x05\x00"), True)], "a critical extension that is not known"),
    ],
)
def test_lists_that_do_not_tell_all_are_refused(world: CardWorld, extensions: list[Any], words: str) -> None:
    put(world, *extensions)
    with pytest.raises(SignInUnusable, match=words) as refused:
        authorities(world)
    assert str(world.crl_path) in refused.value.message


def test_a_list_needs_a_number(world: CardWorld) -> None:
    put(world, number=None)
    with pytest.raises(SignInUnusable, match="it has no number"):
        authorities(world)


def test_a_list_for_users_alone_and_unknown_but_uncritical_is_taken(world: CardWorld) -> None:
    put(world, (scope(only_contains_user_certs=True), True), (x509.UnrecognizedExtension(UNKNOWN, b"\x05\x00"), False))
    assert verdict(authorities(world), world) is None


def test_a_list_signed_by_somebody_else_is_refused(world: CardWorld) -> None:
    put(world, signer=key("ec"))
    with pytest.raises(SignInUnusable, match="not signed by an authority whose cards are accepted"):
        authorities(world)
    cards.put(world.crl_path, world.foreign.crl(NOW - HOUR))
    with pytest.raises(SignInUnusable, match="not signed by an authority"):
        authorities(world)


def test_a_changed_list_is_refused_or_says_the_same(world: CardWorld) -> None:
    """The bits that a signature's BIT STRING leaves unused are all that can be changed, and they mean nothing."""
    whole = put(world, entries=(entry(world, "rsa"),)).read_bytes()
    taken = 0
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1
        world.crl_path.write_bytes(changed)
        try:
            judge = authorities(world)
        except SignInUnusable:
            continue
        taken += 1
        assert "number 50, 1 cards" in judge.standing()[0]
        assert verdict(judge, world) is Reason.REVOKED
    assert taken <= 1


@pytest.mark.parametrize("data", [b"", b"0\x80", b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"])
def test_noise_is_no_list(world: CardWorld, data: bytes) -> None:
    world.crl_path.write_bytes(data)
    with pytest.raises(SignInUnusable, match="not a revocation list in DER or PEM"):
        authorities(world)
    world.crl_path.write_bytes(world.authority.crl(NOW) * 2)
    with pytest.raises(SignInUnusable, match="more than one list"):
        authorities(world)


# --- entries --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", list(x509.ReasonFlags))
def test_whoever_is_listed_is_refused_whatever_the_reason(world: CardWorld, reason: x509.ReasonFlags) -> None:
    if reason is x509.ReasonFlags.unspecified:
        more: tuple[x509.ExtensionType, ...] = (x509.InvalidityDate(NOW - 2 * DAY),)
    else:
        more = (x509.CRLReason(reason),)
    put(world, entries=(entry(world, "rsa", *more),))
    assert verdict(authorities(world), world) is Reason.REVOKED
    assert verdict(authorities(world), world, "ec") is None


def test_an_entry_of_another_authority_or_with_something_unknown_makes_the_list_unusable(world: CardWorld) -> None:
    put(world, entries=(entry(world, "ec"), entry(world, "rsa", x509.CertificateIssuer([x509.DNSName("a")]))))
    with pytest.raises(SignInUnusable, match="an indirect list"):
        authorities(world)
    odd = x509.RevokedCertificateBuilder(5, NOW).add_extension(x509.UnrecognizedExtension(UNKNOWN, b"\x05\x00"), True)
    put(world, entries=(odd.build(),))
    with pytest.raises(SignInUnusable, match="an entry with a critical extension"):
        authorities(world)


def test_a_hold_ends_with_the_list_that_has_it_no_more(world: CardWorld) -> None:
    judge = authorities(world)
    assert verdict(judge, world, "held") is Reason.REVOKED
    del world.authority.revoked[world.cards["held"].certificate.serial_number]
    world.refresh()
    judge.renew()
    assert verdict(judge, world, "held") is None


@given(st.lists(st.integers(1, 2**160 - 1)), st.integers(1, 2**160 - 1))
def test_packed_serial_numbers_are_a_set(listed: list[int], other: int) -> None:
    packed = Serials([serial.to_bytes(20) for serial in listed])
    assert all(serial in packed for serial in listed)
    assert (other in packed) is (other in listed)
    assert all(
        (near in packed) is (near in listed)
        for serial in listed
        for near in (serial - 1, serial + 1)
        if 0 < near < 2**160
    )


# --- which are in force ---------------------------------------------------------------------------------


def test_there_is_no_grace(world: CardWorld) -> None:
    put(world, begins=NOW, lasts=HOUR)
    judge, second = authorities(world), timedelta(seconds=1)
    moments = (NOW - second, NOW, NOW + HOUR, NOW + HOUR + second)
    told = [verdict(judge, world, moment=moment) for moment in moments]
    assert told == [Reason.CRL_OVERDUE, None, None, Reason.CRL_OVERDUE]
    assert verdict(judge, world, "revoked", NOW + HOUR + second) is Reason.CRL_OVERDUE


def test_an_overdue_list_does_not_keep_the_portal_from_starting(world: CardWorld) -> None:
    """So that visitors get a page that says what is wrong."""
    put(world, begins=NOW - 9 * DAY)
    assert verdict(authorities(world), world) is Reason.CRL_OVERDUE


# --- a newer one ----------------------------------------------------------------------------------------


def test_a_newer_list_is_taken_in_and_said_once(world: CardWorld) -> None:
    judge = authorities(world)
    assert judge.renew() == []
    world.authority.revoke(world.cards["rsa"].certificate)
    world.refresh()
    assert verdict(judge, world) is None
    (said,) = judge.renew()
    assert "number 2, 3 cards" in said
    assert judge.renew() == []
    assert verdict(judge, world) is Reason.REVOKED


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda world: put(world, number=0), "older than the one before"),
        (lambda world: put(world, number=9, begins=NOW - 3 * DAY, lasts=9 * DAY), "older than the one before"),
        (lambda world: put(world, signer=key("ec")), "not signed by an authority"),
        (lambda world: put(world, (x509.DeltaCRLIndicator(1), True)), "a delta list"),
        (lambda world: put(world, (scope(full_name=[x509.DNSName("a")]), True)), "for other cards"),
        (lambda world: world.crl_path.write_bytes(world.crl_path.read_bytes()[:200]), "not a revocation list"),
        (lambda world: world.crl_path.unlink(), "No such file"),
    ],
)
def test_what_cannot_be_taken_leaves_the_list_before_it(
    world: CardWorld, spoil: Callable[[CardWorld], object], words: str
) -> None:
    judge = authorities(world)
    spoil(world)
    (said,) = judge.renew()
    assert words in said and said.endswith("the list before it stays in force")
    assert judge.renew() == []
    assert (verdict(judge, world), verdict(judge, world, "revoked")) == (None, Reason.REVOKED)
    assert verdict(judge, world, moment=NOW + 8 * DAY) is Reason.CRL_OVERDUE
    world.refresh()
    assert "number 2" in judge.renew()[0]


def test_a_list_whose_time_has_not_come_leaves_no_gap(world: CardWorld) -> None:
    """The authority's clock is a little ahead."""
    judge = authorities(world)
    world.authority.revoke(world.cards["rsa"].certificate)
    cards.put(world.crl_path, world.authority.crl(NOW + timedelta(seconds=5)))
    judge.renew()
    assert verdict(judge, world) is None
    assert verdict(judge, world, moment=NOW + timedelta(seconds=5)) is Reason.REVOKED


def test_while_one_thread_takes_a_list_in_the_others_go_on(world: CardWorld) -> None:
    judge = authorities(world)
    world.refresh()
    with judge._renewing:
        assert judge.renew() == []
    assert len(judge.renew()) == 1


# --- lists by distribution point --------------------------------------------------------------------------


def test_a_list_speaks_of_the_cards_that_name_its_point(world: CardWorld) -> None:
    named, other = (x509.UniformResourceIdentifier(uri) for uri in (cards.LIST_ADDRESS, "http://cards.example/b"))
    put(world, (scope(full_name=[other]), True), entries=(entry(world, "rsa"),))
    assert verdict(authorities(world), world) is Reason.CRL_OVERDUE
    second = put(world, (scope(full_name=[named]), True), path=world.folder / "second.crl")
    both = Authorities([world.authority_path], [world.crl_path, second])
    assert verdict(both, world) is None
    put(world, (scope(full_name=[named]), True), entries=(entry(world, "rsa"),), path=second)
    assert verdict(Authorities([world.authority_path], [world.crl_path, second]), world) is Reason.REVOKED


def test_cards_of_the_public_infrastructure_for_individuals_are_told_by_their_directory_name(world: CardWorld) -> None:
    """As its profile has it: lists cut by a directory name, which the certificate and the list both carry."""

    def directory(unit: str) -> x509.DirectoryName:
        parts = (("2.5.4.6", "JP"), ("2.5.4.10", "JPKI"), ("2.5.4.11", "CRL Distribution Points"), ("2.5.4.3", unit))
        return x509.DirectoryName(x509.Name([x509.NameAttribute(ObjectIdentifier(oid), text) for oid, text in parts]))

    def profile(builder: x509.CertificateBuilder, public: object) -> x509.CertificateBuilder:
        point = x509.DistributionPoint([directory("13101")], None, None, None)
        other_name = x509.Name([x509.NameAttribute(ObjectIdentifier("2.5.4.10"), "公的個人認証サービス")])
        return (
            builder.add_extension(cards._usage("digital_signature"), critical=True)
            .add_extension(x509.CRLDistributionPoints([point]), critical=False)
            .add_extension(x509.IssuerAlternativeName([x509.DirectoryName(other_name)]), critical=False)
        )

    world.authority.profile = profile
    card = world.issue("individual")
    put(world, (scope(full_name=[directory("13101")], only_contains_user_certs=True), True))
    assert verdict(authorities(world), world, "individual") is None
    put(world, (scope(full_name=[directory("13102")], only_contains_user_certs=True), True))
    assert verdict(authorities(world), world, "individual") is Reason.CRL_OVERDUE
    assert card.certificate.signature_algorithm_oid.dotted_string == "1.2.840.10045.4.3.2"


# --- a large one ------------------------------------------------------------------------------------------


def large_list(count: int, private: ec.EllipticCurvePrivateKey, name: x509.Name) -> bytes:
    """A list of that many cards, each second one with a reason; put together by hand, or it would take minutes."""
    moment, algorithm = tlv(UTC_TIME, b"260331090000Z"), sequence(oid("1.2.840.10045.4.3.2"))
    reason = sequence(sequence(oid("2.5.29.21"), tlv(0x04, b"\x0a\x01\x04")))
    serials = (tlv(INTEGER, (place * 0x9E3779B97F4A7C15 + 2**126).to_bytes(16)) for place in range(count))
    entries = b"".join(
        sequence(serial, moment, *([reason] if place % 2 else [])) for place, serial in enumerate(serials)
    )
    number = tlv(CONTEXT_0, sequence(sequence(oid("2.5.29.20"), tlv(0x04, tlv(INTEGER, b"\x07")))))
    body = (tlv(INTEGER, b"\x01"), algorithm, name.public_bytes(), moment, tlv(UTC_TIME, b"260501090000Z"))
    to_be_signed = sequence(*body, sequence(entries), number)
    signature = private.sign(to_be_signed, ec.ECDSA(hashes.SHA256()))
    return sequence(to_be_signed, algorithm, tlv(0x03, b"\0" + signature))


def test_memory_and_time_grow_by_little_for_each_card(world: CardWorld) -> None:
    count = 100_000
    data = large_list(count, world.authority.key, world.authority.name)
    assert len(asn1.CertificateList.load(data)["tbs_cert_list"]["revoked_certificates"]) == count
    world.crl_path.write_bytes(data)
    tracemalloc.start()
    try:
        judge = authorities(world)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 30 * count
    begin = time.process_time()
    assert "100000 cards" in judge.standing()[0]
    assert all(verdict(judge, world) is None for _ in range(200))
    assert time.process_time() - begin < 5
    newest = judge._lists[0].at(NOW)
    assert all((place * 0x9E3779B97F4A7C15 + 2**126) in newest.serials for place in range(0, count, 997))


def test_a_file_of_more_than_a_few_million_is_not_read(world: CardWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crl, "LARGEST", 100)
    with pytest.raises(SignInUnusable, match="larger than 100 bytes"):
        authorities(world)


def test_a_refused_list_says_no_serial_number(world: CardWorld) -> None:
    put(world, entries=(entry(world, "rsa", x509.CertificateIssuer([x509.DNSName("a")])),))
    with pytest.raises(ListRefused) as refused:
        crl.take(crl.parse(world.crl_path.read_bytes()))
    assert f"{world.cards['rsa'].certificate.serial_number:x}" not in str(refused.value)
