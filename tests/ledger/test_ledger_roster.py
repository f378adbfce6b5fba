"""Rosters: every rule about people and thresholds."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from ledgerkit import HOUR, NOW, OFFICERS, OVERSIGHT, SoftSigner, make_roster, make_signer, person, signer

from appliance.ledger import roster as rosters
from appliance.ledger.errors import RosterInvalid
from appliance.ledger.roster import DEFAULT_THRESHOLDS, Person, Roster, Threshold

EVERYONE = [person(name, "officer") for name in OFFICERS] + [person(name, "oversight") for name in OVERSIGHT]


def refused(roster: Roster) -> str:
    with pytest.raises(RosterInvalid) as refusal:
        rosters.validate(roster)
    return refusal.value.reason


def test_a_good_roster_passes() -> None:
    rosters.validate(make_roster())
    assert rosters.head_count(make_roster(), "officer") == 3
    assert rosters.head_count(make_roster(), "oversight") == 2


def test_the_default_thresholds_are_those_of_the_documents() -> None:
    counts = {name: (one.officers, one.oversight) for name, one in DEFAULT_THRESHOLDS.items()}
    heavy = dict.fromkeys(("destroy", "roster", "policy", "tokens"), (3, 1))
    assert counts == {"keys": (2, 1), "emergency": (1, 1), **heavy}


@pytest.mark.parametrize("name", ["keys", "emergency", "destroy", "roster", "policy", "tokens"])
def test_thresholds_of_zero_or_above_the_head_count(name: str) -> None:
    zero, too_many = Threshold(officers=0, oversight=1), Threshold(officers=4, oversight=1)
    no_oversight, too_much = Threshold(officers=1, oversight=0), Threshold(officers=1, oversight=3)
    minus = Threshold(officers=-1, oversight=1)
    reasons = [refused(make_roster(thresholds={name: one})) for one in (zero, too_many, no_oversight, too_much, minus)]
    assert reasons == [
        f"roster: thresholds: {name}: 0 officer approvals; at least 1 is needed",
        f"roster: thresholds: {name}: 4 officer approvals, but the roster has 3",
        f"roster: thresholds: {name}: 0 oversight approvals; at least 1 is needed",
        f"roster: thresholds: {name}: 3 oversight approvals, but the roster has 2",
        f"roster: thresholds: {name}: -1 officer approvals; at least 1 is needed",
    ]


def test_every_class_needs_a_threshold() -> None:
    for name in DEFAULT_THRESHOLDS:
        rest = {other: one for other, one in DEFAULT_THRESHOLDS.items() if other != name}
        assert refused(Roster(people=tuple(EVERYONE), thresholds=rest)) == f"roster: thresholds: {name} is missing"


def test_defaults_are_not_lowered_for_a_small_roster() -> None:
    small = [person("ito", "officer"), person("sato", "officer"), person("ueda", "oversight")]
    assert refused(make_roster(small)) == "roster: thresholds: destroy: 3 officer approvals, but the roster has 2"


def test_nobody_is_listed_twice() -> None:
    assert refused(make_roster([*EVERYONE, person("ito", "officer")])) == "roster: ito and ito have the same id"
    again = person("ito2", "officer", signer("ito"))
    assert refused(make_roster([*EVERYONE, again])) == "roster: ito and ito2 have the same certificate"


def test_two_people_with_two_certificates_of_one_key() -> None:
    second = make_signer("somebody else", signer("sato").key)
    assert second.certificate != signer("sato").certificate
    again = person("suzuki", "oversight", second)
    assert refused(make_roster([*EVERYONE, again])) == "roster: sato and suzuki have the same public key"


def test_two_people_whose_certificates_share_issuer_and_number() -> None:
    """OpenSSL, and CMS itself, could not tell whose certificate a signature means."""
    both = [person(name, "officer", SoftSigner(signer(name).key, numbered(name))) for name in ("abe", "baba")]
    assert refused(make_roster([*EVERYONE, *both])) == "roster: abe and baba have the same certificate number"


def numbered(name: str) -> bytes:
    """A certificate as a careless tool makes it: always the same name and number."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "user")])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).serial_number(1)
    builder = builder.not_valid_before(NOW).not_valid_after(NOW + HOUR).public_key(signer(name).key.public_key())
    return builder.sign(signer(name).key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_the_mirrored_point_of_the_same_secret() -> None:
    key = signer("sato").key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    mirrored = ec.derive_private_key(order - key.private_numbers().private_value, ec.SECP256R1())
    again = person("suzuki", "oversight", make_signer("suzuki", mirrored))
    assert refused(make_roster([*EVERYONE, again])) == "roster: sato and suzuki have the same public key"


def test_nobody_is_officer_and_oversight_by_id_key_or_name() -> None:
    by_id = person("ito", "oversight", make_signer("other"))
    assert refused(make_roster([*EVERYONE, by_id])) == "roster: ito and ito have the same id"
    by_key = person("ito2", "oversight", signer("ito"))
    assert refused(make_roster([*EVERYONE, by_key])) == "roster: ito and ito2 have the same certificate"
    certificate = base64.b64encode(make_signer("other").certificate).decode()
    for name in ("伊藤 一郎", "伊藤　一郎", "伊藤一郎"):
        by_name = Person(id="ito2", name=name, role="oversight", certificate=certificate)
        assert "is both officer and oversight; nobody may be both" in refused(make_roster([*EVERYONE, by_name]))


def test_names_are_shown_to_people_so_they_must_be_readable() -> None:
    certificate = base64.b64encode(make_signer("x").certificate).decode()
    for name, reason in {
        "": "roster: x: name: must have 1 to 200 characters, has 0",
        "a\nb": "roster: x: name: U+000A is not printable text on one line",
        "a\u202eb": "roster: x: name: U+202E is not printable text on one line",
    }.items():
        one = Person(id="x", name=name, role="officer", certificate=certificate)
        assert refused(make_roster([*EVERYONE, one])) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("not base64!", "roster: x: certificate: not base64"),
        ("AAAA", "roster: x: certificate: a certificate cannot be read"),
        ("AB==", "roster: x: certificate: not the one base64 form of its bytes"),
        ("", "roster: x: certificate: a certificate cannot be read"),
        ("QUI\n=", "roster: x: certificate: not base64"),
    ],
)
def test_certificates_that_cannot_be_read(text: str, reason: str) -> None:
    one = Person(id="x", name="x", role="officer", certificate=text)
    assert refused(make_roster([*EVERYONE, one])).startswith(reason)


def test_a_roster_has_an_upper_bound() -> None:
    crowd = [Person(id=f"p{number}", name="x", role="officer", certificate="") for number in range(61)]
    assert refused(make_roster(crowd)) == "roster: 61 people; at most 60"
