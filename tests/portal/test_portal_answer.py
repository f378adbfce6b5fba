"""Answers: read strictly, each byte counts, and only a card's own signature counts."""

from __future__ import annotations

import subprocess
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from cardkit import PORTAL, SoftCard, build
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from signinkit import NOW, Clock

from appliance.ledger import cms
from appliance.portal.signin import answer
from appliance.portal.signin.challenge import Challenges
from appliance.portal.signin.reasons import AnswerRefused, Reason
from tests.world import softhsm

ANSWERS: dict[str, str] = {}
FIXED = [HealthCheck.function_scoped_fixture]


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SoftCard]:
    return build(tmp_path_factory.mktemp("cards"), NOW).cards


def document() -> bytes:
    return Challenges(PORTAL, Clock()).issue("mine").document


def reason(text: str) -> Reason:
    with pytest.raises(AnswerRefused) as refused:
        answer.read(text)
    return refused.value.reason


def bare(text: str) -> bytes:
    return b64decode("".join(text.splitlines()[1:-1]))


@pytest.mark.parametrize("name", ["rsa", "ec"])
def test_both_kinds_of_cards_are_read(cards: dict[str, SoftCard], name: str) -> None:
    asked = document()
    read = answer.read(cards[name].answer(asked, NOW))
    assert (read.document, read.certificate) == (asked, cards[name].der)
    assert int(read.serial, 16) == cards[name].certificate.serial_number


@pytest.mark.parametrize("change", [str.strip, lambda t: t.replace("\n", "\r\n"), lambda t: f"\n  {t}\n\n"])
def test_white_space_may_come_and_go(cards: dict[str, SoftCard], change: object) -> None:
    text = cards["rsa"].answer(document(), NOW)
    assert answer.read(change(text)) == answer.read(text)  # type: ignore[operator]
    assert answer.read(" ".join(text.splitlines()[1:-1])) == answer.read(text)


@pytest.mark.parametrize(
    "text", ["", "-----BEGIN CMS-----\n-----END CMS-----", "A", "MIIB", "…", "A" * 65_537, "\0", "AAAA" * 1_000]
)
def test_other_text_is_no_answer(text: str) -> None:
    assert reason(text) is Reason.MALFORMED


def test_base64_has_one_form(cards: dict[str, SoftCard]) -> None:
    """Bits that no byte comes from are zero. Lengths of EC signatures differ, so one soon leaves such bits."""
    datas = (bare(cards["ec"].answer(document(), NOW)) for _ in range(1_000))
    text = b64encode(next(data for data in datas if len(data) % 3)).decode()
    assert answer.read(text)
    place = text.index("=") - 1
    assert reason(text[:place] + chr(ord(text[place]) + 1) + text[place + 1 :]) is Reason.MALFORMED


def test_two_signers_are_no_answer(cards: dict[str, SoftCard]) -> None:
    asked = document()
    both = cms.merge([bare(cards[name].answer(asked, NOW)) for name in ("rsa", "ec")])
    assert reason(answer.armoured(both)) is Reason.MALFORMED


def test_another_keys_signature_is_bad(cards: dict[str, SoftCard]) -> None:
    data = bare(cards["rsa"].answer(document(), NOW))
    other = bare(cards["rsa"].answer(document(), NOW))
    assert data[-256:] != other[-256:]
    assert reason(answer.armoured(data[:-256] + other[-256:])) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("name", ["rsa", "ec"])
@settings(max_examples=150, deadline=None, suppress_health_check=FIXED)
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_no_byte_can_be_changed(cards: dict[str, SoftCard], name: str, place: float, flip: int) -> None:
    data = bytearray(bare(ANSWERS.setdefault(name, cards[name].answer(document(), NOW))))
    data[int(place * len(data))] ^= flip
    with pytest.raises(AnswerRefused):
        answer.read(answer.armoured(bytes(data)))


@settings(max_examples=100, deadline=None, suppress_health_check=FIXED)
@given(cut=st.integers(0, 3_000), more=st.binary(max_size=40))
def test_nothing_can_be_cut_off_or_added(cards: dict[str, SoftCard], cut: int, more: bytes) -> None:
    data = bare(ANSWERS.setdefault("rsa", cards["rsa"].answer(document(), NOW)))
    changed = data[: len(data) - cut % (len(data) - 1)] + more
    if changed != data:
        with pytest.raises(AnswerRefused):
            answer.read(answer.armoured(changed))


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=300) | st.binary(max_size=300).map(answer.armoured))
def test_noise_is_refused_and_nothing_else_happens(text: str) -> None:
    assert reason(text) in (Reason.MALFORMED, Reason.BAD_SIGNATURE)


def test_openssl_verifies_an_answer(cards: dict[str, SoftCard], tmp_path: Path) -> None:
    asked = document()
    for name in ("rsa", "ec"):
        (tmp_path / "answer").write_text(cards[name].answer(asked, NOW))
        (tmp_path / "ca").write_bytes(cards[name].certificate.public_bytes(Encoding.PEM))
        words = (
            f"cms -verify -inform PEM -in answer -CAfile ca -partial_chain -purpose any -attime {int(NOW.timestamp())}"
        )
        done = subprocess.run([str(softhsm()["KAGIMORI_OPENSSL"]), *words.split()], cwd=tmp_path, capture_output=True)
        assert (done.returncode, done.stdout) == (0, asked), done.stderr
