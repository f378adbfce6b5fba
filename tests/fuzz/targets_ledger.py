"""Targets: what people and tokens sign, and everything inside it."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import ledgerkit
from cryptography import x509
from hypothesis import strategies as st
from ledgerkit import NOW, OFFICERS

from appliance.ledger import (
    annexes,
    canonical,
    census,
    certificate,
    chain,
    cms,
    order,
    outcome,
    plan,
    publickey,
    roster,
)
from appliance.ledger.actions import Retire
from appliance.ledger.census import Census
from appliance.ledger.errors import CertificateInvalid, LedgerError, OrderRefused
from appliance.ledger.order import Order
from appliance.ledger.text import render_instant
from tests.fuzz.mutations import any_bytes, changed_der, changed_json
from tests.fuzz.target import Target, parsed


@cache
def book() -> ledgerkit.Book:
    """A ledger with backups, clones, service keys, a rotation and annexes."""
    made = ledgerkit.cloned()
    beside = {"000008.attempt.1.cms": ledgerkit.make_attempt(8), "000008.refusal.1.cms": ledgerkit.make_refusal(8)}
    made.add([ledgerkit.drill(ledgerkit.B1)], ("ito", "sato", "mori", "ueda"), beside)
    return made


@cache
def signed() -> tuple[bytes, ...]:
    """Every file of the ledger, and an order."""
    return (*book().files.values(), signed_order())


@cache
def an_order() -> bytes:
    """The content of a disclosure order."""
    made = Order(
        type="kagimori/order/v1",
        anchor=book().anchor,
        id="ab" * 16,
        source="sspin.B",
        target="resident",
        role="hub",
        purpose="exchange",
        most=3,
        issued=render_instant(NOW),
        not_before=render_instant(NOW),
        not_after=render_instant(NOW + ledgerkit.HOUR),
        case="事件 4711",
    )
    return order.encode(made)


@cache
def signed_order() -> bytes:
    """The order, signed by two."""
    return cms.merge([cms.sign(an_order(), ledgerkit.signer(name), NOW) for name in ("ueda", *OFFICERS[:1])])


@cache
def a_census() -> bytes:
    """A census's file."""
    counts = {"generations": {"sspin.B.1": 0, "sspin.B.2": 7}, "neither": 1, "malformed": 0, "empty": 2, "rows": 10}
    texts = {"reference": "a count", "purpose": "rotation", "input_sha256": "ab" * 32, "output_sha256": None}
    times = {"began": render_instant(NOW), "ended": render_instant(NOW + ledgerkit.MINUTE)}
    return census.encode(
        Census(type="kagimori/census/v1", anchor=book().anchor, domain="sspin.B", **counts, **texts, **times)  # type: ignore[arg-type]
    )


@cache
def contents(suffix: str) -> tuple[bytes, ...]:
    """What is signed in the files whose names end so."""
    return tuple(cms.verify(data).content for name, data in sorted(book().files.items()) if name.endswith(suffix))


@cache
def _known() -> dict[tuple[bytes, bytes, Any], bool]:
    """Every (content, certificate, time) that was really signed."""
    return {
        (file.content, one.certificate, one.signing_time): True
        for file in map(cms.verify, signed())
        for one in file.signers
    }


def _cms(data: bytes) -> bool:
    """Whatever is accepted says what somebody signed, and no more: some of the signers may have been left out."""
    try:
        file = cms.verify(data)
    except LedgerError:
        return False
    for one in file.signers:
        assert (file.content, one.certificate, one.signing_time) in _known(), "a signature over something else"
    originals = [original for original in signed() if cms.verify(original).content == file.content]
    assert any(len(data) <= len(original) for original in originals)
    again = cms.merge([data])
    assert again == data, "another spelling of a file was accepted"
    return True


def _certificate(data: bytes) -> bool:
    return parsed(data, certificate.read.__wrapped__, CertificateInvalid, lambda read: read.der)


def _self_signed(data: bytes) -> bool:
    """What a key signed of its certificate cannot be altered."""
    accepted = parsed(data, certificate.require_self_signed, CertificateInvalid)
    if accepted:
        assert x509.load_der_x509_certificate(data).tbs_certificate_bytes in _tbs(), "an altered certificate"
    return accepted


@cache
def certificates() -> tuple[bytes, ...]:
    """P-256, P-384 and RSA."""
    return tuple(ledgerkit.signer(name).certificate for name in ("sato", "ueda", "ito"))


@cache
def _tbs() -> frozenset[bytes]:
    return frozenset(x509.load_der_x509_certificate(der).tbs_certificate_bytes for der in certificates())


def _text_of(der: st.SearchStrategy[bytes], originals: Callable[[], Sequence[bytes]]) -> st.SearchStrategy[str]:
    """Base64 of spoilt DER, and spoilt base64."""
    texts = [b64encode(one) for one in originals()]
    spoilt = any_bytes(texts, (b"=", b"+", b"-", b"_", b"\n")).map(lambda data: data.decode("utf-8", "surrogateescape"))
    return der.map(lambda data: b64encode(data).decode("ascii")) | spoilt


def _base64(name: str, originals: Callable[[], Sequence[bytes]], decode: Callable[[str, str], Any]) -> Target:
    def probe(text: str) -> bool:
        refusals = (CertificateInvalid,)
        return parsed(text, lambda given: decode("field", given), refusals, lambda info: b64encode(_der(info)).decode())

    return Target(name, lambda: _text_of(changed_der(originals()), originals), probe)


def _der(value: Any) -> bytes:
    return value if isinstance(value, bytes) else bytes(value.der)


def _document(name: str, originals: Callable[[], Sequence[bytes]], parse: Callable[[bytes], Any]) -> Target:
    """A canonical document: whatever is accepted is the one spelling of what it says."""

    def probe(data: bytes) -> bool:
        return parsed(data, parse, LedgerError, canonical.encode)

    return Target(name, lambda: changed_json(originals()) | changed_json(originals()) | any_bytes(originals()), probe)


def _order(data: bytes) -> bool:
    """An order that is accepted is the one that was signed, by enough of those who may."""
    try:
        verified = order.verify(data, book().state, now=NOW)
    except OrderRefused as error:
        assert error.code in ("order_invalid", "order_expired")
        return False
    assert order.encode(verified.order) == an_order()
    assert {one.person.id for one in verified.signers} <= {"ueda", "ito"}
    assert any(one.person.role == "oversight" for one in verified.signers)
    return True


def _annex(data: bytes) -> bool:
    """An annex that is accepted is one that its signer signed."""
    state = book().states[7]
    assert state is not None
    for name in ("000008.attempt.1.cms", "000008.refusal.1.cms"):
        if parsed(data, lambda given, name=name: chain.open_annexes({name: given}, state), LedgerError):  # type: ignore[misc]
            assert data == book().files[name]
            return True
    return False


def _retirements() -> tuple[bytes, ...]:
    """Plans of every action there is, some with a census cited."""
    cited = census.CensusCitation(digest="ab" * 32, counted=10, left=0)
    retire = ledgerkit.make_plan([Retire(generation="sspin.B.1", census=cited)], state=book().state)
    others = [
        ledgerkit.make_plan([action], state=book().state)
        for action in (
            ledgerkit.restore(ledgerkit.B1, lost=("log.1",)),
            ledgerkit.clone(ledgerkit.C1, log_name="kyoto"),
            ledgerkit.enroll(ledgerkit.B3, ledgerkit.B1),
        )
    ]
    return tuple(map(canonical.encode, (retire, *others)))


@cache
def plans() -> tuple[bytes, ...]:
    """The contents of plans."""
    return (*contents("authorization.cms"), *_retirements())


def _transport_keys() -> tuple[bytes, ...]:
    return (ledgerkit.transport_key(ledgerkit.B1),)


def _log_keys() -> tuple[bytes, ...]:
    return (ledgerkit.log_public_key("log.1"),)


def _cert_text(field: str, text: str) -> Any:
    value = roster.decode_certificate(field, text)
    assert b64decode(text) == value.der
    return value


def _annex_inputs() -> st.SearchStrategy[bytes]:
    files = [book().files[name] for name in sorted(book().files) if annexes.NAME.fullmatch(name)]
    return changed_der(files) | any_bytes(files)


TARGETS = (
    Target("CMS, bytes", lambda: any_bytes(signed()), _cms),
    Target("CMS, elements", lambda: changed_der(signed()), _cms),
    Target("certificate", lambda: changed_der(certificates()) | any_bytes(certificates()), _certificate),
    Target("certificate, self-signed", lambda: changed_der(certificates()) | any_bytes(certificates()), _self_signed),
    _base64("certificate in a roster", certificates, _cert_text),
    _base64("transport key", _transport_keys, publickey.decode_transport_key),
    _base64("log key", _log_keys, publickey.decode_log_key),
    _document("plan", plans, plan.parse),
    _document("outcome", lambda: contents("outcome.cms"), outcome.parse),
    _document("order, content", lambda: (an_order(),), order.parse),
    _document("census", lambda: (a_census(),), census.parse),
    Target("order, signed", lambda: changed_der((signed_order(),)) | any_bytes((signed_order(),)), _order),
    Target("annex", _annex_inputs, _annex),
)
