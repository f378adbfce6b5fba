"""Histories under the co-signed tree, and marks: both clients, and what `verify_cosigned` lets pass and does not."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.audit import records
from appliance.hubkit import (
    Client,
    Cosigned,
    History,
    HistoryUnproven,
    ProtocolError,
    Refused,
    verify_cosigned,
    verify_history,
)
from appliance.hubkit import history as histories
from appliance.hubkit import mark as marks
from appliance.hubkit.aioclient import AsyncClient
from appliance.tlog import checkpoint as checkpoints
from appliance.tlog import cosignature, merkle
from appliance.tlog import note as notes
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.errors import VerifierKeyInvalid
from appliance.tlog.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, Note, VerifierKey

ORIGIN = "kagimori/log/0123456789abcdef/main"
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"\7" * 32)
KEY = checkpoints.key(ORIGIN, PRIVATE.public_key().public_bytes_raw())
SIZE, COSIGNED = 300, 260
MINE = (299, 260, 256, 1)
SEEN, EARLIER = 1_775_100_000, 1_775_000_000


class Witness:
    """A witness with a key of either kind."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self._ed25519 = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self._ml_dsa = MLDSA44PrivateKey.from_seed_bytes(bytes([seed]) * 32)
        self.ed25519 = VerifierKey(name, COSIGNATURE_ED25519, self._ed25519.public_key().public_bytes_raw())
        self.ml_dsa = VerifierKey(name, COSIGNATURE_ML_DSA_44, self._ml_dsa.public_key().public_bytes_raw())

    def signs(self, checkpoint: Checkpoint, at: int = SEEN) -> tuple[notes.Signature, notes.Signature]:
        return (
            cosignature.sign_ed25519(self._ed25519, self.name, checkpoint, at),
            cosignature.sign_ml_dsa_44(self._ml_dsa, self.name, checkpoint, at),
        )


ONE, TWO, STRANGER = Witness("watch.example/one", 1), Witness("watch.example/two", 2), Witness("else.example/w", 3)


def entry(number: int, other: str = "") -> bytes:
    """A record: the person's are conversions."""
    peer = {"role": "hub", "uid": 1, "gid": 2, "pid": 3, "record": number, "time": f"2026-04-01T00:00:00.{number:06}Z"}
    if number not in MINE:
        return records.encode(records.Refusal(**peer, code="pair_denied", source=None, target=None, purpose=None))
    counts = {"count": 1, "converted": 1, "malformed": 0, "unknown": 0}
    terms = {"source": "sspin.B.1", "target": "sspin.E.1", "purpose": "exchange", "reference": f"案件 {number}{other}"}
    return records.encode(records.Conversion(**peer, **terms, **counts, tag_key="tag.1", tags="ab" * 32))


class Tree:
    """A log's leaves."""

    def __init__(self, other: str = "") -> None:
        self.entries = [entry(number, other) for number in range(1, SIZE + 1)]
        self._leaves = [merkle.leaf_hash(one) for one in self.entries]

    def _subtree(self, height: int, index: int) -> bytes:
        hashes = self._leaves[index << height : (index + 1) << height]
        while len(hashes) > 1:
            hashes = merkle.parents(hashes)
        return hashes[0]

    def head(self, size: int) -> Checkpoint:
        return Checkpoint(ORIGIN, size, merkle.root(size, self._subtree))

    def proof(self, number: int, size: int) -> list[str]:
        return [text(one) for one in merkle.inclusion_proof(number - 1, size, self._subtree)]


def text(data: bytes) -> str:
    return b64encode(data).decode()


LOG, FORK = Tree(), Tree("!")


def signed(head: Checkpoint, *lines: notes.Signature, private: Ed25519PrivateKey = PRIVATE) -> str:
    """The log's note, with more lines."""
    key = checkpoints.key(head.origin, private.public_key().public_bytes_raw())
    note = checkpoints.sign(head, private.sign, key)
    return notes.render(Note(note.text, (*note.signatures, *lines))).decode()


HEAD = LOG.head(COSIGNED)
COSIGNED_NOTE = signed(HEAD, *ONE.signs(HEAD))


def conversion(number: int, cosigned: int = COSIGNED, tree: Tree = LOG) -> dict[str, Any]:
    """A conversion as the daemon answers with it."""
    said = json.loads(LOG.entries[number - 1])
    facts = {name: said[name] for name in ("record", "time", "role", "source", "target", "purpose", "reference")}
    proof = tree.proof(number, cosigned) if number <= cosigned else None
    whole = {"entry": text(LOG.entries[number - 1]), "proof": LOG.proof(number, SIZE), "cosigned_proof": proof}
    return {**facts, **whole}


def tree_of(head: Checkpoint, note: str) -> dict[str, Any]:
    return {"checkpoint": note, "size": head.size, "root": text(head.root)}


def document(**changes: Any) -> dict[str, Any]:
    """The daemon's answer."""
    head = LOG.head(SIZE)
    whole = {"source": "common.1", "size": SIZE, "root": text(head.root), "checkpoint": signed(head), "before": None}
    conversions = [conversion(number) for number in MINE]
    return {**whole, "cosigned": tree_of(HEAD, COSIGNED_NOTE), "conversions": conversions, **changes}


def history(**changes: Any) -> History:
    return histories.answer(json.dumps(document(**changes)).encode(), "common")


def cosigned(note: str, head: Checkpoint = HEAD, **changes: Any) -> History:
    """The honest history with another co-signed note."""
    return history(cosigned=tree_of(head, note), **changes)


WHOLE = history()


def proven(whole: History, *witnesses: VerifierKey) -> Cosigned:
    return verify_cosigned(whole, [KEY], witnesses or (ONE.ed25519, ONE.ml_dsa))


def unproven(whole: History, *witnesses: VerifierKey) -> str:
    """Why it is not proven."""
    with pytest.raises(HistoryUnproven) as refusal:
        proven(whole, *witnesses)
    return refusal.value.message


def test_an_honest_history_is_proven_as_far_as_the_witness_saw() -> None:
    found = proven(WHOLE)
    assert (found.checkpoint, found.by, found.at) == (HEAD, (ONE.name,), (SEEN,))
    assert found.records == {260, 256, 1}
    assert WHOLE.conversions[0].cosigned_proof is None
    assert verify_history(WHOLE, [KEY]).size == SIZE


def test_keys_may_be_text_and_one_key_of_a_witness_is_enough() -> None:
    for key in (ONE.ed25519, ONE.ml_dsa):
        assert verify_cosigned(WHOLE, [str(KEY)], [str(key)]).by == (ONE.name,)


def test_each_witness_is_named_once_with_its_own_time() -> None:
    note = signed(HEAD, *TWO.signs(HEAD, EARLIER), *ONE.signs(HEAD), *STRANGER.signs(HEAD))
    found = proven(cosigned(note), ONE.ed25519, TWO.ed25519, ONE.ml_dsa, TWO.ml_dsa)
    assert dict(zip(found.by, found.at, strict=True)) == {ONE.name: SEEN, TWO.name: EARLIER}


def test_of_two_cosignatures_by_one_key_the_newer_counts() -> None:
    note = signed(HEAD, *ONE.signs(HEAD), *ONE.signs(HEAD, EARLIER))
    assert proven(cosigned(note)).at == (SEEN,)


def test_of_a_witnesss_two_keys_the_one_that_signed_last_counts() -> None:
    for ed25519, ml_dsa in ((SEEN, EARLIER), (EARLIER, SEEN)):
        note = signed(HEAD, ONE.signs(HEAD, ed25519)[0], ONE.signs(HEAD, ml_dsa)[1])
        assert proven(cosigned(note)).at == (SEEN,)


def test_a_history_of_nothing_is_proven_too() -> None:
    assert proven(history(conversions=[])).records == frozenset()


def test_a_tree_that_is_the_same_for_both() -> None:
    head = LOG.head(SIZE)
    whole = cosigned(signed(head, *ONE.signs(head)), head, conversions=[conversion(one, SIZE) for one in MINE])
    assert proven(whole).records == set(MINE)


def test_a_cosigned_tree_that_is_larger_than_the_newest_one() -> None:
    """It cannot be when the daemon is honest, and proves all the same."""
    smaller = LOG.head(299)
    facts = {"size": 299, "root": text(smaller.root), "checkpoint": signed(smaller)}
    conversions = [{**conversion(one, SIZE), "proof": LOG.proof(one, 299)} for one in MINE]
    head = LOG.head(SIZE)
    whole = cosigned(signed(head, *ONE.signs(head)), head, conversions=conversions, **facts)
    assert proven(whole).records == set(MINE)


def test_no_witness_has_signed_yet() -> None:
    whole = history(cosigned=None, conversions=[{**conversion(17 if 17 in MINE else 1), "cosigned_proof": None}])
    assert unproven(whole) == "no witness has co-signed this log yet"
    assert verify_history(whole, [KEY]).size == SIZE


def test_an_answer_from_before_there_were_cosigned_trees() -> None:
    said = document()
    del said["cosigned"]
    for one in said["conversions"]:
        del one["cosigned_proof"]
    whole = histories.answer(json.dumps(said).encode(), "common")
    assert verify_history(whole, [KEY]).size == SIZE
    assert unproven(whole) == "no witness has co-signed this log yet"


@pytest.mark.parametrize("witnesses", [[TWO.ed25519], [STRANGER.ml_dsa, TWO.ml_dsa], []])
def test_cosigned_by_nobody_who_is_known(witnesses: list[VerifierKey]) -> None:
    with pytest.raises(HistoryUnproven, match="none of the witnesses that are known here has co-signed this log"):
        verify_cosigned(WHOLE, [KEY], witnesses)


def test_a_log_key_is_no_witness() -> None:
    with pytest.raises(VerifierKeyInvalid, match="a witness cosigns with a key of type"):
        verify_cosigned(WHOLE, [KEY], [KEY])


def test_a_cosignature_of_another_tree() -> None:
    other = LOG.head(COSIGNED - 1)
    note = signed(HEAD, *ONE.signs(other))
    assert unproven(cosigned(note)).startswith(
        "a cosignature is refused: the cosignature of watch.example/one does not"
    )


def test_every_signature_in_the_name_of_a_known_witness_must_be_right() -> None:
    note = signed(HEAD, *ONE.signs(HEAD), TWO.signs(LOG.head(100))[0])
    assert proven(cosigned(note), ONE.ed25519).by == (ONE.name,)
    assert unproven(cosigned(note), ONE.ed25519, TWO.ed25519).startswith("a cosignature is refused: ")


def test_cosigned_and_not_signed_by_the_log() -> None:
    bare = notes.render(Note(HEAD.text, ONE.signs(HEAD))).decode()
    assert unproven(cosigned(bare)).startswith("the co-signed checkpoint is refused: the note is not signed by any key")
    other = signed(HEAD, *ONE.signs(HEAD), private=Ed25519PrivateKey.from_private_bytes(b"\1" * 32))
    assert unproven(cosigned(other)).startswith("the co-signed checkpoint is refused: ")


def test_cosigned_and_of_another_log() -> None:
    head = Checkpoint("kagimori/log/0123456789abcdef/second", HEAD.size, HEAD.root)
    assert unproven(cosigned(signed(head, *ONE.signs(head)), head)).startswith("the co-signed checkpoint is refused: ")


@pytest.mark.parametrize("changes", [{"size": COSIGNED - 1}, {"root": text(b"\0" * 32)}])
def test_another_tree_than_the_cosigned_checkpoints(changes: dict[str, Any]) -> None:
    whole = history(cosigned={**tree_of(HEAD, COSIGNED_NOTE), **changes})
    assert unproven(whole) == "size and root of the co-signed tree are not its checkpoint's"


def test_two_trees_of_one_size_are_a_fork() -> None:
    """The log signed both, and showed the witness another one than the person."""
    head = FORK.head(SIZE)
    conversions = [conversion(one, SIZE, FORK) for one in MINE]
    with pytest.raises(HistoryUnproven) as refusal:
        proven(cosigned(signed(head, *ONE.signs(head)), head, conversions=conversions))
    assert refusal.value.message == f"the log signed two trees of {SIZE} records"
    assert refusal.value.hint == "keep the answer: it proves that the log was forked"


def test_the_witness_saw_another_log() -> None:
    head = FORK.head(COSIGNED)
    conversions = [conversion(one, COSIGNED, FORK) for one in MINE]
    whole = cosigned(signed(head, *ONE.signs(head)), head, conversions=conversions)
    assert unproven(whole).startswith("record 260: not in the co-signed log: ")


def test_an_old_conversion_without_a_proof() -> None:
    said = [conversion(one) for one in MINE]
    said[2]["cosigned_proof"] = None
    assert unproven(history(conversions=said)) == (
        "record 256: co-signed by its number, and comes without a proof of it"
    )


def test_a_new_conversion_with_one() -> None:
    said = [conversion(one) for one in MINE]
    said[0]["cosigned_proof"] = said[1]["cosigned_proof"]
    assert unproven(history(conversions=said)).startswith("record 299: not in the co-signed log: ")


def test_what_verify_history_refuses_is_refused_first() -> None:
    said = [conversion(one) for one in MINE]
    said[1]["purpose"] = "tax"
    assert unproven(history(conversions=said)) == "record 260: the log has another purpose than the answer"


@pytest.mark.parametrize(
    "changes",
    [
        {"cosigned": {}},
        {"cosigned": "none"},
        {"cosigned": {**tree_of(HEAD, COSIGNED_NOTE), "root": "?"}},
        {"cosigned": {**tree_of(HEAD, COSIGNED_NOTE), "size": "260"}},
        {"conversions": [{**conversion(1), "cosigned_proof": "?"}]},
        {"conversions": [{**conversion(1), "cosigned_proof": ["?"]}]},
        {"conversions": [{**conversion(1), "proof": [text(b"\1" * 32)[:-2] + "F="]}]},
    ],
)
def test_an_answer_of_another_shape(changes: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError, match="the answer is not a history: "):
        history(**changes)


ONE_SIGNATURE = signed(HEAD, ONE.signs(HEAD)[0])
"""Of a note, what nobody looks at is lines by strangers: here there is none."""
ONE_SIGNED = cosigned(ONE_SIGNATURE)
BODY = json.dumps(document(cosigned=tree_of(HEAD, ONE_SIGNATURE)), ensure_ascii=False, separators=(",", ":")).encode()


def _judged(body: bytes) -> tuple[History, Cosigned] | None:
    """What an answer proves; None: it is refused, by an error of ours."""
    try:
        found = histories.answer(body, "common")
        return found, verify_cosigned(found, [KEY], [ONE.ed25519])
    except (ProtocolError, HistoryUnproven):
        return None


def _means_the_same(judged: tuple[History, Cosigned] | None) -> bool:
    """Refused, or proven to be what it was; ``before`` and the source's generation are proven by nothing."""
    if judged is None:
        return True
    found, cosigned = judged
    unsaid: dict[str, Any] = {"before": ONE_SIGNED.before, "source": ONE_SIGNED.source}
    return dataclasses.replace(found, **unsaid) == ONE_SIGNED and cosigned == proven(ONE_SIGNED, ONE.ed25519)


PLACES = st.integers(0, len(BODY) - 1)


@given(PLACES, st.integers(0, 255))
@example(BODY.index(b'"cosigned":') + 3, ord("x"))
@example(BODY.index(b'"cosigned_proof":[') + 3, ord("x"))
def test_no_byte_of_an_answer_can_be_another(place: int, byte: int) -> None:
    assert _means_the_same(_judged(BODY[:place] + bytes([byte]) + BODY[place + 1 :]))


@given(PLACES, st.integers(0, 40), st.binary(max_size=8))
def test_nothing_of_an_answer_can_be_left_out_or_put_in(place: int, length: int, more: bytes) -> None:
    assert _means_the_same(_judged(BODY[:place] + more + BODY[place + length :]))


def test_no_byte_of_the_notes_can_be_another() -> None:
    """Every one of them: both checkpoints with their signatures."""
    for place in range(len(WHOLE.checkpoint)):
        other = dataclasses.replace(ONE_SIGNED, checkpoint=_flipped(WHOLE.checkpoint, place))
        with pytest.raises(HistoryUnproven):
            proven(other, ONE.ed25519)
    assert ONE_SIGNED.cosigned is not None
    for place in range(len(ONE_SIGNATURE)):
        tree = dataclasses.replace(ONE_SIGNED.cosigned, checkpoint=_flipped(ONE_SIGNATURE, place))
        with pytest.raises(HistoryUnproven):
            proven(dataclasses.replace(ONE_SIGNED, cosigned=tree), ONE.ed25519)


def _flipped(text: str, place: int) -> str:
    return text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]


def test_what_was_altered_is_proven_as_it_is() -> None:
    """So that the properties above look at an answer that is proven as it is."""
    assert _judged(BODY) == (ONE_SIGNED, proven(ONE_SIGNED, ONE.ed25519))


# --- marks ------------------------------------------------------------------------------------------------------------


Serve = Callable[..., Any]


async def _marking(request: web.Request) -> web.StreamResponse:
    asked = json.loads(await request.read())
    assert (request.method, request.path) == ("POST", "/v1/history/mark")
    assert request.headers["Content-Type"] == "application/json"
    if asked["record"] == 404:
        problem = {"code": "not_found", "detail": "record: not a conversion of this person's number."}
        return web.json_response(problem, status=404, content_type="application/problem+json")
    assert asked == {"source": "common", "number": "123456789018", "record": 7, "reference": "案件"}
    return web.json_response({"record": 4711})


def test_both_clients_mark(sock: Path, serve: Serve) -> None:
    serve(_marking)
    with Client(sock) as client:
        assert client.mark("common", "123456789018", 7, reference="案件") == 4711
        with pytest.raises(Refused, match="not_found: record: not a conversion") as refusal:
            client.mark("common", "123456789018", 404, reference="案件")
        assert (refusal.value.status, refusal.value.code) == (404, "not_found")
        assert "123456789018" not in str(refusal.value)

    async def asked() -> int:
        async with AsyncClient(sock) as client:
            with pytest.raises(Refused, match="not_found"):
                await client.mark("common", "123456789018", 404, reference="案件")
            return await client.mark("common", "123456789018", 7, reference="案件")

    assert asyncio.run(asked()) == 4711


async def _hurried(request: web.Request) -> web.StreamResponse:
    return web.json_response({"record": int(request.headers["Kagimori-Timeout"])})


def test_a_deadline_goes_along(sock: Path, serve: Serve) -> None:
    serve(_hurried)
    with Client(sock) as client:
        assert client.mark("common", "1", 7, reference="r", deadline=1.5) == 1_500

    async def asked() -> int:
        async with AsyncClient(sock) as client:
            return await client.mark("common", "1", 7, reference="r", deadline=2)

    assert asyncio.run(asked()) == 2_000


@pytest.mark.parametrize("body", [b"", b"{}", b'{"record":"7"}', b'{"record":null}', b'{"record":0}', b'{"record":-1}'])
def test_an_answer_to_a_mark_of_another_shape(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="the answer (does not say what was recorded|names record)"):
        marks.answer(body)


@given(st.binary(max_size=100))
def test_any_bytes_are_refused_as_the_answer_to_a_mark(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        marks.answer(body)
