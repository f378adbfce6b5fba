"""The door: in its order, with its reasons, nothing unrecorded, nobody told more than they have shown to have."""

from __future__ import annotations

import errno
import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from cardkit import DAY, SoftCard, cards, key, number
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from signerkit import SoftSigner
from signinkit import NOW, SignIn, stand

from appliance.ledger import cms
from appliance.ledger.errors import LedgerError
from appliance.portal.signin import answer
from appliance.portal.signin.attempts import MOST_SESSIONS, Attempts
from appliance.portal.signin.cardid import CardId
from appliance.portal.signin.holders import write_holders
from appliance.portal.signin.reasons import Reason, SignInRefused


@pytest.fixture
def there(tmp_path: Path) -> SignIn:
    return stand(tmp_path / "portal")


def refusal(there: SignIn, text: str, session: str = "browser") -> Reason:
    """Why an answer is refused; it was written down before that was told."""
    before = len(there.journal)
    with pytest.raises(SignInRefused) as refused:
        there.door.enter(session, text)
    assert (there.last["event"], there.last["reason"]) == ("refused", refused.value.reason)
    assert len(there.journal) == before + 1
    return refused.value.reason


@pytest.mark.parametrize("name", ["rsa", "ec"])
def test_a_good_card_is_let_in_and_written_down(there: SignIn, name: str) -> None:
    card = there.enter(name)
    certificate = there.world.cards[name].certificate
    assert card == there.world.authority.card_id(certificate)
    assert there.holders.of(card).name == f"番号 {name}"
    assert there.last == {
        "time": "2026-04-01T09:00:00Z",
        "event": "entered",
        "reason": None,
        "certificate": certificate.fingerprint(cards.hashes.SHA256()).hex(),
        "serial": f"{certificate.serial_number:x}",
        "issuer": card.issuer,
    }


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("expired", Reason.EXPIRED),
        ("early", Reason.NOT_YET_VALID),
        ("revoked", Reason.REVOKED),
        ("held", Reason.REVOKED),
        ("foreign", Reason.OTHER_AUTHORITY),
        ("stranger", Reason.UNKNOWN_HOLDER),
    ],
)
def test_a_card_that_is_not_good_is_refused_with_its_reason(there: SignIn, name: str, reason: Reason) -> None:
    assert refusal(there, there.answer(name)) is reason
    assert there.last["serial"] == f"{there.world.cards[name].certificate.serial_number:x}"


def test_an_answer_is_good_once(there: SignIn) -> None:
    text = there.answer("rsa")
    there.door.enter("browser", text)
    assert refusal(there, text) is Reason.REPLAYED
    assert refusal(there, text, "another") is Reason.NOT_YOURS


def test_an_answer_seen_by_somebody_else_is_of_no_use_to_them(there: SignIn) -> None:
    text = there.answer("rsa")
    assert refusal(there, text, "thief") is Reason.NOT_YOURS
    assert there.door.enter("browser", text)


def test_a_late_answer(there: SignIn) -> None:
    text = there.answer("rsa")
    there.clock.forward(minutes=5)
    assert refusal(there, text) is Reason.TOO_LATE


def test_a_challenge_is_used_up_by_a_card_that_is_refused(there: SignIn) -> None:
    """So that nobody tries card after card on one challenge."""
    asked = there.door.begin("browser").text
    assert refusal(there, there.world.cards["revoked"].answer(asked, NOW)) is Reason.REVOKED
    assert refusal(there, there.world.cards["rsa"].answer(asked, NOW)) is Reason.REPLAYED


def test_a_challenge_of_another_portal(there: SignIn) -> None:
    asked = there.door.begin("browser").text.replace("portal.example", "evil.example")
    assert refusal(there, there.world.cards["rsa"].answer(asked, NOW)) is Reason.UNKNOWN_CHALLENGE


def test_something_else_that_the_card_has_signed(there: SignIn) -> None:
    assert refusal(there, there.world.cards["rsa"].answer(b"a contract", NOW)) is Reason.MALFORMED


def test_before_the_signature_verifies_nothing_is_said_of_the_certificate(there: SignIn) -> None:
    """A certificate is public: whoever has somebody's learns nothing about it here without the card."""
    for name in ("rsa", "expired", "revoked", "foreign", "stranger"):
        text = there.answer(name, f"s {name}")
        body = bytearray(answer.b64decode("".join(text.splitlines()[1:-1])))
        body[-1] ^= 1
        assert refusal(there, answer.armoured(bytes(body)), f"s {name}") is Reason.BAD_SIGNATURE
        assert set(there.last) == {"time", "event", "reason"}


def test_without_a_challenge_of_ones_own_nothing_is_said_of_the_card(there: SignIn) -> None:
    for name in ("expired", "revoked", "foreign", "stranger"):
        text = there.answer(name, "somebody")
        assert refusal(there, text, "prober") is Reason.NOT_YOURS


def test_noise(there: SignIn) -> None:
    for text in ("", "x", "A" * 70_000, "-----BEGIN CMS-----"):
        assert refusal(there, text) is Reason.MALFORMED


def test_no_line_holds_a_name_a_number_or_what_was_pasted(there: SignIn) -> None:
    there.enter("rsa")
    refusal(there, there.answer("expired"))
    refusal(there, "123456789018 山田")
    written = there.journal_path.read_text(encoding="utf-8")
    assert not [holder for holder in there.world.rows.values() if holder.common in written or holder.name in written]
    assert "123456789018" not in written and "山田" not in written


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255), name=st.sampled_from(["rsa", "ec"]))
def test_a_forged_certificate_never_enters_and_breaks_nothing(
    there: SignIn, place: float, flip: int, name: str
) -> None:
    """Whoever has a key can put any certificate around it, and sign a challenge of their own."""
    card = there.world.cards[name]
    der = bytearray(card.der)
    der[int(place * len(der))] ^= flip
    session = f"{place} {flip} {name}"
    challenge = there.door.begin(session).document
    try:
        text = answer.armoured(cms.sign(challenge, SoftSigner(card.key, bytes(der)), NOW))
    except (LedgerError, ValueError, AttributeError, Warning):  # the forger's own tool does not take it
        return
    try:
        there.door.enter(session, text)
    except SignInRefused as refused:
        assert refused.reason is not Reason.UNAVAILABLE
        assert there.last["reason"] == refused.reason
    else:  # bits that the signature leaves unused
        assert der[:-100] == card.der[:-100]


# --- what changes beside it -------------------------------------------------------------------------------


def test_a_card_revoked_a_minute_ago_is_refused(there: SignIn) -> None:
    there.enter("rsa")
    there.world.authority.revoke(there.world.cards["rsa"].certificate)
    there.world.refresh()
    with pytest.raises(SignInRefused, match="the certificate was revoked or is on hold"):
        there.enter("rsa")
    events = [(line["event"], line.get("reason")) for line in there.journal[-2:]]
    assert events == [("list", None), ("refused", "revoked")]
    assert "number 2, 3 cards" in there.said[0] and there.journal[-2]["said"] == there.said[0]


def test_the_lists_in_force_at_the_start_are_written_down(there: SignIn) -> None:
    assert "number 1, 2 cards, in force from 2026-04-01T08:00:00Z" in there.journal[0]["said"]


def test_overdue_lists_shut_the_door_until_a_current_one_comes(there: SignIn) -> None:
    there.clock.forward(days=8)
    assert refusal(there, there.answer("rsa")) is Reason.CRL_OVERDUE
    cards.put(there.world.crl_path, there.world.authority.crl(there.clock() - DAY))
    assert there.enter("rsa")


def test_a_person_taken_out_of_the_register_is_refused(there: SignIn) -> None:
    there.enter("rsa")
    write_holders(there.world.holders_path, [])
    assert refusal(there, there.answer("rsa")) is Reason.UNKNOWN_HOLDER


def test_a_register_that_cannot_be_read_lets_nobody_in_and_is_said(there: SignIn) -> None:
    there.world.holders_path.unlink()
    assert refusal(there, there.answer("rsa")) is Reason.UNAVAILABLE
    assert str(there.world.holders_path) in there.said[0]


@pytest.mark.parametrize("name", ["rsa", "expired"])
def test_nobody_is_let_in_or_refused_without_a_line(there: SignIn, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = there.answer(name)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SignInRefused) as refused:
        there.door.enter("browser", text)
    assert refused.value.reason is Reason.UNAVAILABLE
    assert "No space left on device" in there.said[-1]
    monkeypatch.undo()
    assert refusal(there, text) is Reason.REPLAYED  # a challenge that was looked at is gone
    assert there.enter("rsa")


# --- limits ----------------------------------------------------------------------------------------------


def test_a_browser_may_try_ten_times(there: SignIn) -> None:
    for _ in range(10):
        refusal(there, "x")
    assert refusal(there, there.answer("rsa")) is Reason.TOO_MANY
    for _ in range(5):  # counted, not written line by line
        with pytest.raises(SignInRefused, match="too many attempts"):
            there.door.enter("browser", "x")
    assert there.enter("rsa", "another browser")
    assert there.last["turned_away"] == 5
    there.clock.forward(minutes=10)
    assert there.enter("rsa")
    assert "turned_away" not in there.last


def test_all_together_have_a_rate(tmp_path: Path) -> None:
    there = stand(tmp_path, Attempts(a_minute=6))
    for place in range(6):
        refusal(there, "x", f"s{place}")
    assert refusal(there, there.answer("rsa")) is Reason.TOO_MANY
    there.clock.forward(seconds=10)
    assert there.enter("rsa")
    assert refusal(there, there.answer("rsa")) is Reason.TOO_MANY


def test_what_is_remembered_of_attempts_is_bounded() -> None:
    attempts = Attempts(a_minute=10**9)
    for place in range(MOST_SESSIONS + 100):
        attempts.count(f"s{place}", NOW)
    assert len(attempts._tried) == MOST_SESSIONS
    attempts.count("later", NOW + timedelta(hours=1))
    assert len(attempts._tried) == 1


def test_a_clock_set_back_gives_no_attempts() -> None:
    attempts = Attempts(a_minute=1)
    attempts.count("a", NOW)
    with pytest.raises(SignInRefused):
        attempts.count("b", NOW - timedelta(hours=1))


# --- many at once ------------------------------------------------------------------------------------------


def test_threads_may_come_together(there: SignIn) -> None:
    """Each of them enters with its own answer, and of one answer given by all just one."""
    own = [(f"s{place}", there.answer("rsa", f"s{place}")) for place in range(8)]
    shared = there.answer("ec", "shared")
    entered: list[CardId] = []
    reasons: list[Reason] = []

    def come(session: str, text: str) -> None:
        for who, what in ((session, text), ("shared", shared)):
            try:
                entered.append(there.door.enter(who, what))
            except SignInRefused as refused:
                reasons.append(refused.reason)

    threads = [threading.Thread(target=come, args=one) for one in own]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(entered) == 9 and len({card.serial for card in entered}) == 2
    assert reasons == [Reason.REPLAYED] * 7
    assert len(there.journal) == 1 + 16


def test_a_card_of_the_same_key_with_another_certificate_is_another_card(there: SignIn) -> None:
    """A renewed certificate has a serial number of its own, and must be registered."""
    again = SoftCard(key("rsa"), there.world.authority.issue(key("rsa").public_key(), begins=NOW - DAY))
    there.world.cards["again"] = again
    assert refusal(there, there.answer("again")) is Reason.UNKNOWN_HOLDER
    there.world.register(again.certificate, number(1), "番号 rsa")
    write_holders(there.world.holders_path, there.world.rows.items())
    assert there.enter("again").serial == f"{again.certificate.serial_number:x}"
