"""Signed files: what we sign verifies, and every other form of the same is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from asn1crypto import cms as asn1
from asn1crypto import core
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509 import load_der_x509_certificate
from ledgerkit import HOUR, NOW, SoftSigner, make_signer, signer

from appliance.ledger import cms
from appliance.ledger.der import OCTET_STRING, tlv
from appliance.ledger.errors import CertificateInvalid, MalformedCms, NotCanonical, SignatureInvalid

CONTENT = '{"title":"鍵"}'.encode()
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def signed() -> bytes:
    return cms.sign(CONTENT, signer("sato"), NOW)


@pytest.mark.parametrize("name", ["sato", "ito", "ueda"])  # P-256, RSA 2048, P-384
def test_what_is_signed_verifies(name: str) -> None:
    result = cms.verify(cms.sign(CONTENT, signer(name), NOW))
    assert result.content == CONTENT
    assert [(one.certificate, one.signing_time) for one in result.signers] == [(signer(name).certificate, NOW)]
    key = serialization.load_der_public_key(result.signers[0].public_key)
    assert key == signer(name).key.public_key()


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("name", ["sato", "ito", "ueda"])
def test_every_row_of_the_algorithm_table(name: str, digest: str) -> None:
    who = signer(name)
    strong = SoftSigner(who.key, who.certificate, getattr(hashes, digest.upper())())
    assert cms.verify(cms.sign(CONTENT, strong, NOW, digest=digest)).content == CONTENT


def test_a_weak_digest_is_refused_when_signing() -> None:
    with pytest.raises(MalformedCms, match="sha1 is not an allowed digest; allowed: sha256, sha384, sha512"):
        cms.sign(CONTENT, signer("sato"), NOW, digest="sha1")


def test_a_signer_that_hashes_otherwise_is_noticed_at_once() -> None:
    who = signer("sato")
    with pytest.raises(SignatureInvalid, match="signature of CN=sato does not verify"):
        cms.sign(CONTENT, SoftSigner(who.key, who.certificate, hashes.SHA384()), NOW)


def test_a_signer_with_another_key_than_its_certificate_is_noticed_at_once() -> None:
    with pytest.raises(SignatureInvalid, match="signature of CN=sato does not verify"):
        cms.sign(CONTENT, SoftSigner(signer("mori").key, signer("sato").certificate), NOW)


def test_signing_time_is_utc_in_whole_seconds() -> None:
    local = datetime(2026, 4, 1, 18, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=9)))
    assert cms.verify(cms.sign(CONTENT, signer("sato"), local)).signers[0].signing_time == NOW
    with pytest.raises(ValueError, match="needs a time zone"):
        cms.sign(CONTENT, signer("sato"), datetime(2026, 4, 1))


@pytest.mark.parametrize("year", [1950, 2049, 2050, 2101])
def test_signing_times_on_both_sides_of_utctime(year: int) -> None:
    moment = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert cms.verify(cms.sign(CONTENT, signer("sato"), moment)).signers[0].signing_time == moment


def test_times_are_written_as_the_standard_says() -> None:
    """RFC 5652, section 11.3: UTCTime (23, 13 bytes) up to 2049, then GeneralizedTime (24, 15 bytes)."""
    for year, written in ((2049, b"\x17\x0d491231235959Z"), (2050, b"\x18\x0f20501231235959Z")):
        moment = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
        assert cms.sign(CONTENT, signer("sato"), moment).count(written) == 1


@pytest.mark.parametrize(
    ("written", "error", "reason"),
    [
        (b"\x18\x0d2026040109.50", MalformedCms, "a signing time is not a time"),  # no zone
        (b"\x18\x0d000004010900Z", MalformedCms, "a signing time is not a time"),  # year 0
        (b"\x18\x0d202604010900Z", NotCanonical, "not the one DER encoding"),  # no seconds
        (b"\x17\x0d261301090000Z", MalformedCms, "not CMS SignedData in DER"),  # month 13
    ],
)
def test_times_written_otherwise(written: bytes, error: type[Exception], reason: str) -> None:
    changed = signed().replace(b"\x17\x0d260401090000Z", written)
    assert written in changed
    with pytest.raises(error, match=reason):
        cms.verify(changed)


def test_merging_does_not_depend_on_the_order() -> None:
    approvals = [cms.sign(CONTENT, signer(name), NOW) for name in ("ito", "sato", "ueda")]
    merged = cms.merge(approvals)
    assert cms.merge(approvals[::-1]) == merged
    assert cms.merge([cms.merge(approvals[:2]), approvals[2]]) == merged
    assert {one.certificate for one in cms.verify(merged).signers} == {
        signer(name).certificate for name in ("ito", "sato", "ueda")
    }


def test_only_approvals_of_the_same_bytes_are_merged() -> None:
    with pytest.raises(MalformedCms, match="only if all are of the same plan, byte for byte"):
        cms.merge([signed(), cms.sign(CONTENT + b" ", signer("ito"), NOW)])
    with pytest.raises(MalformedCms, match="only if all are of the same plan"):
        cms.merge([])


def test_merging_verifies_first() -> None:
    bad = bytearray(signed())
    bad[-1] ^= 1
    with pytest.raises(SignatureInvalid, match="signature of CN=sato does not verify"):
        cms.merge([bytes(bad), cms.sign(CONTENT, signer("ito"), NOW)])


def test_changed_content_is_named_as_such() -> None:
    with pytest.raises(SignatureInvalid, match="the content is not what CN=sato signed"):
        cms.verify(signed().replace(b"title", b"tytle"))


@pytest.mark.parametrize("name", ["sato", "ito", "ueda"])
def test_a_changed_signature_is_noticed_whatever_the_key(name: str) -> None:
    info = asn1.ContentInfo.load(cms.sign(CONTENT, signer(name), NOW))
    other = asn1.ContentInfo.load(cms.sign(CONTENT, signer(name), NOW + HOUR))
    info["content"]["signer_infos"][0]["signature"] = other["content"]["signer_infos"][0]["signature"].native
    with pytest.raises(SignatureInvalid, match=f"the signature of CN={name} does not verify"):
        cms.verify(rebuilt(info))


def test_an_rsa_signature_of_another_length_is_refused() -> None:
    info = asn1.ContentInfo.load(cms.sign(CONTENT, signer("ito"), NOW))
    part = info["content"]["signer_infos"][0]
    for changed in (b"\x00" + part["signature"].native, part["signature"].native[1:], b""):
        part["signature"] = changed
        with pytest.raises(SignatureInvalid, match="the signature of CN=ito does not verify"):
            cms.verify(rebuilt(info))


def test_a_changed_signing_time_is_noticed() -> None:
    changed = signed().replace(b"260401090000Z", b"260401090001Z")
    assert b"260401090001Z" in changed
    with pytest.raises(SignatureInvalid, match="signature of CN=sato does not verify"):
        cms.verify(changed)


def test_the_other_s_of_an_ecdsa_signature_is_refused() -> None:
    """(r, n - s) verifies just as well, so without a rule anybody could make a second file."""
    original = signed()
    info = asn1.ContentInfo.load(original)
    part = info["content"]["signer_infos"][0]
    r, s = decode_dss_signature(part["signature"].native)
    part["signature"] = encode_dss_signature(r, P256_ORDER - s)
    with pytest.raises(NotCanonical, match="ECDSA signature is not in its lower form"):
        cms.verify(rebuilt(info))


def rebuilt(info: asn1.ContentInfo) -> bytes:
    """A changed structure in DER, written by asn1crypto."""
    return bytes(info.dump(force=True))


def test_asn1crypto_alone_can_write_the_accepted_form() -> None:
    """So that the refusals below are for the change made, and not for the way the change was written."""
    original = signed()
    assert rebuilt(asn1.ContentInfo.load(original)) == original


def unsigned_attribute(data: asn1.SignedData) -> None:
    attribute = {"type": "1.2.3.4", "values": [core.Null()]}
    data["signer_infos"][0]["unsigned_attrs"] = [asn1.CMSAttribute(attribute)]


def crls(data: asn1.SignedData) -> None:
    data["crls"] = asn1.RevocationInfoChoices([])


def extra_certificate(data: asn1.SignedData) -> None:
    extra = asn1.Certificate.load(signer("mori").certificate)
    data["certificates"].append(asn1.CertificateChoices("certificate", extra))


def twice_the_certificate(data: asn1.SignedData) -> None:
    data["certificates"].append(data["certificates"][0])


def twice_the_signature(data: asn1.SignedData) -> None:
    data["signer_infos"].append(data["signer_infos"][0])


def other_than_a_certificate(data: asn1.SignedData) -> None:
    other = asn1.OtherCertificateFormat({"other_cert_format": "1.2.3.4", "other_cert": core.Null()})
    data["certificates"].append(asn1.CertificateChoices("other", other))


def no_certificate(data: asn1.SignedData) -> None:
    data["certificates"] = asn1.CertificateSet([])


def version_3(data: asn1.SignedData) -> None:
    data["version"] = "v3"


def no_signers(data: asn1.SignedData) -> None:
    data["signer_infos"] = asn1.SignerInfos([])


def extra_digest(data: asn1.SignedData) -> None:
    data["digest_algorithms"].append(asn1.DigestAlgorithm({"algorithm": "sha512"}))


def detached(data: asn1.SignedData) -> None:
    data["encap_content_info"] = {"content_type": "data"}


def extra_signed_attribute(data: asn1.SignedData) -> None:
    data["signer_infos"][0]["signed_attrs"].append(asn1.CMSAttribute({"type": "1.2.3.4", "values": [core.Null()]}))


def missing_signed_attribute(data: asn1.SignedData) -> None:
    kept = [one for one in data["signer_infos"][0]["signed_attrs"] if one["type"].native != "signing_time"]
    data["signer_infos"][0]["signed_attrs"] = asn1.CMSAttributes(kept)


def subject_key_identifier(data: asn1.SignedData) -> None:
    data["signer_infos"][0]["sid"] = asn1.SignerIdentifier("subject_key_identifier", core.OctetString(b"x" * 20))


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        (unsigned_attribute, NotCanonical, "or says more than it may"),
        (crls, NotCanonical, "or says more than it may"),
        (extra_certificate, NotCanonical, "or says more than it may"),
        (twice_the_certificate, MalformedCms, "share issuer and serial number"),
        (twice_the_signature, NotCanonical, "the same signature twice"),
        (other_than_a_certificate, MalformedCms, "something else than certificates"),
        (no_certificate, MalformedCms, "the file has 0 certificates"),
        (version_3, NotCanonical, "not the one DER encoding"),
        (no_signers, MalformedCms, "the file has 0 signatures"),
        (extra_digest, NotCanonical, "or says more than it may"),
        (detached, MalformedCms, "no content of type id-data attached"),
        (extra_signed_attribute, NotCanonical, "or says more than it may"),
        (missing_signed_attribute, MalformedCms, "signing_time"),
        (subject_key_identifier, MalformedCms, "certificate is not in the file"),
    ],
)
def test_other_forms_are_refused(
    change: Callable[[asn1.SignedData], None], error: type[Exception], reason: str
) -> None:
    info = asn1.ContentInfo.load(signed())
    change(info["content"])
    with pytest.raises(error, match=reason):
        cms.verify(rebuilt(info))


def test_cms_of_another_type_is_refused() -> None:
    other = asn1.ContentInfo({"content_type": "data", "content": CONTENT}).dump()
    with pytest.raises(MalformedCms) as refusal:
        cms.verify(other)
    assert refusal.value.reason == "not CMS SignedData"


def test_bytes_before_behind_or_missing() -> None:
    good = signed()
    for bad in (good + b"\x00", b"\x00" + good, good[:-1], b"", good + good):
        with pytest.raises((MalformedCms, NotCanonical)):
            cms.verify(bad)


def test_indefinite_length_is_refused() -> None:
    """BER's other way to write the same: 30 80 … 00 00."""
    body = asn1.ContentInfo.load(signed()).contents
    with pytest.raises(NotCanonical, match="not the one DER encoding"):
        cms.verify(b"\x30\x80" + body + b"\x00\x00")


def test_nested_indefinite_lengths_end_in_a_refusal() -> None:
    with pytest.raises(MalformedCms, match="not CMS SignedData"):
        cms.verify(b"\x30\x80" * 100_000)


def test_a_longer_length_than_needed_is_refused() -> None:
    good = signed()
    assert good[1] == 0x82
    with pytest.raises(NotCanonical, match="not the one DER encoding"):
        cms.verify(good[:1] + b"\x83\x00" + good[2:])


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65535, 65536])
def test_lengths_are_written_as_asn1crypto_writes_them(size: int) -> None:
    assert tlv(OCTET_STRING, bytes(size)) == core.OctetString(bytes(size)).dump()


def test_too_much_is_refused_unread() -> None:
    with pytest.raises(MalformedCms, match="at most 4194304 are read"):
        cms.verify(bytes(4 * 2**20 + 1))


def test_what_another_tool_signed_is_refused() -> None:
    """Its SignedData is good CMS, but carries other attributes than ours."""
    who = signer("sato")
    assert isinstance(who.key, ec.EllipticCurvePrivateKey)
    other = (
        pkcs7.PKCS7SignatureBuilder()
        .set_data(CONTENT)
        .add_signer(load_der_x509_certificate(who.certificate), who.key, hashes.SHA256())
        .sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])
    )
    with pytest.raises(NotCanonical, match="or says more than it may"):
        cms.verify(other)


def test_a_certificate_with_a_key_that_is_not_allowed() -> None:
    big = ec.generate_private_key(ec.SECP521R1())
    with pytest.raises(CertificateInvalid, match="curve secp521r1; allowed: P-256 and P-384"):
        make_signer("x", big)


def test_two_signatures_of_one_person_stay_two() -> None:
    """Counting people is the quorum's business; nothing may vanish before."""
    merged = cms.merge([signed(), cms.sign(CONTENT, signer("sato"), NOW + HOUR)])
    assert sorted(one.signing_time for one in cms.verify(merged).signers) == [NOW, NOW + HOUR]
