"""One person's history: the typed answer of both clients, and what its proofs do and do not let pass."""

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
from hypothesis import given
from hypothesis import strategies as st

from appliance.audit import records
from appliance.hubkit import Client, History, HistoryUnproven, ProtocolError, Refused, verify_history
from appliance.hubkit import history as histories
from appliance.hubkit.aioclient import AsyncClient
from appliance.tlog import checkpoint as checkpoints
from appliance.tlog import merkle
from appliance.tlog import note as notes
from appliance.tlog.checkpoint import Checkpoint

ORIGIN = "kagimori/log/0123456789abcdef/main"
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"\7" * 32)
KEY = checkpoints.key(ORIGIN, PRIVATE.public_key().public_bytes_raw())
OTHER = checkpoints.key(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"\1" * 32).public_key().public_bytes_raw())
SIZE = 300
MINE = (299, 256, 17, 1)


def entry(number: int) -> bytes:
    """A record; odd numbers are conversions, so are the person's."""
    peer = {"role": "hub", "uid": 1, "gid": 2, "pid": 3, "record": number, "time": f"2026-04-01T00:00:00.{number:06}Z"}
    if number not in MINE and number % 2 == 0:
        return records.encode(records.Refusal(**peer, code="pair_denied", source=None, target=None, purpose=None))
    counts = {"count": 1, "converted": 1, "malformed": 0, "unknown": 0}
    terms = {"source": "sspin.B.1", "target": "sspin.E.1", "purpose": "exchange", "reference": f"案件 {number}"}
    return records.encode(records.Conversion(**peer, **terms, **counts, tag_key="tag.1", tags="ab" * 32))


ENTRIES = [entry(number) for number in range(1, SIZE + 1)]
LEAVES = [merkle.leaf_hash(one) for one in ENTRIES]


def subtree(height: int, index: int) -> bytes:
    hashes = LEAVES[index << height : (index + 1) << height]
    while len(hashes) > 1:
        hashes = merkle.parents(hashes)
    return hashes[0]


ROOT = merkle.root(SIZE, subtree)


def signed(size: int = SIZE, root: bytes = ROOT) -> str:
    return notes.render(checkpoints.sign(Checkpoint(ORIGIN, size, root), PRIVATE.sign, KEY)).decode()


def text(data: bytes) -> str:
    return b64encode(data).decode()


def conversion(number: int) -> dict[str, Any]:
    """A conversion as the daemon answers with it."""
    said = json.loads(ENTRIES[number - 1])
    proof = [text(one) for one in merkle.inclusion_proof(number - 1, SIZE, subtree)]
    facts = {name: said[name] for name in ("record", "time", "role", "source", "target", "purpose", "reference")}
    return {**facts, "entry": text(ENTRIES[number - 1]), "proof": proof}


def document(**changes: Any) -> dict[str, Any]:
    """The daemon's answer."""
    whole = {"source": "common.1", "size": SIZE, "root": text(ROOT), "checkpoint": signed(), "before": None}
    return {**whole, "conversions": [conversion(number) for number in MINE], **changes}


def history(**changes: Any) -> History:
    return histories.answer(json.dumps(document(**changes)).encode(), "common")


def altered(number: int, **changes: Any) -> History:
    """The honest history with one conversion changed."""
    whole = history()
    conversions = list(whole.conversions)
    conversions[number] = dataclasses.replace(conversions[number], **changes)
    return dataclasses.replace(whole, conversions=tuple(conversions))


def unproven(whole: History, *keys: object) -> str:
    """Why it is not proven."""
    with pytest.raises(HistoryUnproven) as refusal:
        verify_history(whole, keys or (KEY,))  # type: ignore[arg-type]
    return refusal.value.message


def test_an_honest_history_is_proven() -> None:
    proven = verify_history(history(), [KEY])
    assert (proven.origin, proven.size, proven.root) == (ORIGIN, SIZE, ROOT)
    assert [one.record for one in history().conversions] == list(MINE)
    assert history().conversions[0].reference == "案件 299"


def test_keys_may_be_text_and_of_several_generations() -> None:
    assert verify_history(history(), [str(OTHER), str(KEY)]).size == SIZE


def test_nothing_found_is_proven_too() -> None:
    """Then only the checkpoint is: no proof can show that nothing was left out."""
    assert verify_history(history(conversions=[]), [KEY]).size == SIZE


def test_another_logs_key_or_none() -> None:
    assert unproven(history(), OTHER).startswith("the checkpoint is refused: ")
    elsewhere = checkpoints.key("kagimori/log/0123456789abcdef/second", KEY.public)
    assert unproven(history(), KEY, elsewhere) == "a history is proven by the keys of one log"
    with pytest.raises(HistoryUnproven, match="the keys of one log"):
        verify_history(history(), [])


@pytest.mark.parametrize("changes", [{"size": SIZE - 1}, {"root": text(b"\0" * 32)}])
def test_another_tree_than_the_checkpoints(changes: dict[str, Any]) -> None:
    assert unproven(history(**changes)) == "size and root of the answer are not the checkpoint's"


def test_a_checkpoint_altered() -> None:
    note = signed().replace(f"\n{SIZE}\n", f"\n{SIZE + 1}\n")
    assert unproven(history(checkpoint=note)).startswith("the checkpoint is refused: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("time", "2026-04-01T00:00:00.000001Z"),
        ("role", "portal"),
        ("source", "sspin.C.1"),
        ("target", "sspin.A.1"),
        ("purpose", "tax"),
        ("reference", "none"),
    ],
)
def test_a_field_told_otherwise_than_logged(name: str, value: str) -> None:
    assert unproven(altered(1, **{name: value})) == f"record 256: the log has another {name} than the answer"


def test_an_entry_altered() -> None:
    whole = history().conversions[1]
    entry = whole.entry.replace(b'"uid":1', b'"uid":2')
    assert unproven(altered(1, entry=entry)).startswith("record 256: not in the log: ")


def test_another_record_put_in_the_place_of_one() -> None:
    other = history().conversions[2]
    assert unproven(altered(1, entry=other.entry, proof=other.proof)) == (
        "record 256: the log has another record than the answer"
    )


@pytest.mark.parametrize("entry", [b"", b"[]", b"7", ENTRIES[1], b'{"record":256}'])
def test_an_entry_that_is_no_conversion(entry: bytes) -> None:
    assert unproven(altered(1, entry=entry)) == "record 256: its entry is no record of a conversion"


def test_every_hash_of_a_proof_matters() -> None:
    """Left out, altered, or one too many."""
    proof = history().conversions[1].proof
    assert len(proof) >= 8
    for place in range(len(proof)):
        for other in ((), (b"\0" * 32,), (proof[place], proof[place])):
            wrong = altered(1, proof=(*proof[:place], *other, *proof[place + 1 :]))
            assert unproven(wrong).startswith("record 256: not in the log: ")


def test_twice_or_out_of_order() -> None:
    whole = history()
    for other in ((0, 0, 1), (1, 0)):
        wrong = dataclasses.replace(whole, conversions=tuple(whole.conversions[place] for place in other))
        assert unproven(wrong) == "the conversions are not in order, the newest first, each once"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        json.dumps(document(root="?")).encode(),
        json.dumps(document(conversions=[{**conversion(17), "entry": "?"}])).encode(),
        json.dumps(document(conversions=[{**conversion(17), "proof": ["?"]}])).encode(),
        json.dumps(document(conversions=[{**conversion(17), "record": "17"}])).encode(),
        json.dumps(document(before="1")).encode(),
    ],
)
def test_an_answer_of_another_shape(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="the answer is not a history: "):
        histories.answer(body, "common")


def test_an_answer_about_another_domain() -> None:
    with pytest.raises(ProtocolError, match=r"asked by a number of sspin.B, the answer is by one of common.1"):
        histories.answer(json.dumps(document()).encode(), "sspin.B")


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        histories.answer(body, "common")


def test_no_number_shows_in_the_question_twice() -> None:
    asked = json.loads(histories.question("common", "123456789018", "case", 10, 5))
    assert asked == {"source": "common", "number": "123456789018", "reference": "case", "limit": 10, "before": 5}


Serve = Callable[..., Any]


async def _answering(request: web.Request) -> web.StreamResponse:
    asked = json.loads(await request.read())
    assert request.path == "/v1/history"
    if asked["number"] == "0":
        problem = {"code": "unknown_number", "detail": "No such number."}
        return web.json_response(problem, status=404, content_type="application/problem+json")
    older = [number for number in MINE if asked["before"] is None or number < asked["before"]]
    shown = older[: asked["limit"]]
    before = shown[-1] if len(older) > len(shown) else None
    return web.json_response(document(conversions=[conversion(number) for number in shown], before=before))


def test_the_client_reads_on(sock: Path, serve: Serve) -> None:
    serve(_answering)
    with Client(sock) as client:
        first = client.history("common", "1", reference="portal", limit=3)
        second = client.history("common", "1", reference="portal", limit=3, before=first.before)
        with pytest.raises(Refused, match="unknown_number"):
            client.history("common", "0", reference="portal")
    assert [one.record for one in (*first.conversions, *second.conversions)] == list(MINE)
    assert (first.before, second.before) == (17, None)
    assert verify_history(second, [KEY]).size == SIZE


def test_the_asynchronous_client_as_well(sock: Path, serve: Serve) -> None:
    serve(_answering)

    async def asked() -> History:
        async with AsyncClient(sock) as client:
            return await client.history("common.1", "1", reference="portal")

    whole = asyncio.run(asked())
    assert [one.record for one in whole.conversions] == list(MINE)
    assert verify_history(whole, [KEY]).size == SIZE


async def _ordered(request: web.Request) -> web.StreamResponse:
    if request.headers["Content-Type"] == "text/plain":
        order = request.headers["Kagimori-Order"]
        await request.read()
        headers = {"Kagimori-Source": "sspin.B.1", "Kagimori-Target": "resident"}
        return web.Response(text=f"{order}\n", headers=headers)
    order = json.loads(await request.read()).get("order")
    result = {"source": "sspin.B.1", "target": "resident", "record": 1, "results": [{"number": str(order)}]}
    return web.json_response(result)


def test_a_disclosure_order_goes_along(sock: Path, serve: Serve) -> None:
    """Base64 in the field, or in the header of a stream; without one, no field."""
    serve(_ordered)
    terms: dict[str, Any] = {"purpose": "tracing", "reference": "case"}
    with Client(sock) as client:
        assert client.convert_one("sspin.B", "resident", "1", **terms, order=b"\1\2\3") == "AQID"
        assert client.convert_one("sspin.B", "resident", "1", **terms) == "None"
        with client.convert_stream("sspin.B", "resident", ["1"], **terms, order=b"\1\2\3") as stream:
            assert list(stream.blocks()) == [b"AQID\n"]

    async def asked() -> list[bytes]:
        async with AsyncClient(sock) as client:
            assert await client.convert_one("sspin.B", "resident", "1", **terms, order=b"\1\2\3") == "AQID"
            async with client.convert_stream("sspin.B", "resident", ["1"], **terms, order=b"\1\2\3") as stream:
                return [block async for block in stream.blocks()]

    assert asyncio.run(asked()) == [b"AQID\n"]


async def _log(request: web.Request) -> web.StreamResponse:
    if request.method == "POST":
        note = await request.read()
        return web.json_response({"size": len(note), "accepted": [request.headers["Content-Type"]]})
    if request.path == "/v1/log/tile/0/000":
        return web.Response(body=b"\0\xff")
    return web.json_response({"code": "gone", "detail": "Gone."}, status=410)


def test_pieces_of_the_log_and_cosignatures(sock: Path, serve: Serve) -> None:
    serve(_log)
    with Client(sock) as client:
        assert client.log_piece("tile/0/000") == b"\0\xff"
        with pytest.raises(Refused, match="gone: Gone"):
            client.log_piece("tile/entries/000")
        assert client.cosign(b"note") == (4, ("text/plain",))
