"""AES-ECB as one multi-part operation: in pieces, over many blocks, in several sessions, for long."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from itertools import pairwise

from pkcs11 import Attribute, Mechanism

from appliance.token.stream import CHECK_BLOCK
from appliance.token.trials.bench import Bench
from appliance.token.trials.findings import Differs
from appliance.token.trials.raw import BLOCK, OK
from appliance.token.trials.registry import trial

LARGEST_UPDATE = 8_193  # blocks: as many as the appliance asks for at once, and the one that is known beside them
OPERATIONS = 16  # as many keys as an engine has open: eight domains, the tags, and as many again in a rotation
SESSIONS = 64
_KEY = bytes(range(32))  # FIPS 197, appendix C.3
_PLAIN = bytes.fromhex("00112233445566778899aabbccddeeff")
_CIPHER = bytes.fromhex("8ea2b7ca516745bfeafc49904b496089")


@trial("stream.one-shot")
def one_shot(bench: Bench) -> str:
    """C_Encrypt and the running operation give the same."""
    with bench.stored_key("stream") as (key_id, key):
        if bytes(key.encrypt(CHECK_BLOCK, mechanism=Mechanism.AES_ECB)) != bench.stream(key_id)(CHECK_BLOCK):
            raise Differs("C_Encrypt and C_EncryptUpdate give different bytes for one block")
    return "C_Encrypt and C_EncryptUpdate agree"


@trial("stream.known-answer")
def known_answer(bench: Bench) -> str:
    """A key with known bytes, as a session object, enciphers as the standard says."""
    found = bench.imported(_KEY)(_PLAIN)
    if found != _CIPHER:
        raise Differs(f"AES-256 of FIPS 197's block is {found.hex()}, must be {_CIPHER.hex()}")
    return "AES-256 of FIPS 197, appendix C.3"


@trial("stream.pieces")
def pieces(bench: Bench) -> str:
    """Pieces of any size give what the whole gives, and each piece comes out at once."""
    cuts = [0, 1, 17, 20, 276, 277, 789]
    blocks = secrets.token_bytes(BLOCK * cuts[-1])
    with bench.stored_key("pieces") as (key_id, key):
        stream = bench.stream(key_id)
        whole = bytes(key.encrypt(blocks, mechanism=Mechanism.AES_ECB))
        cut = b"".join(stream(blocks[BLOCK * start : BLOCK * end]) for start, end in pairwise(cuts))
    if cut != whole:
        raise Differs("an operation fed in pieces gives other bytes than C_Encrypt of the whole")
    return f"{cuts[-1]} blocks in {len(cuts) - 1} pieces of 1 to 512 blocks"


@trial("stream.largest")
def largest(bench: Bench) -> str:
    """As many blocks in one call as the appliance ever asks for."""
    blocks = secrets.token_bytes(BLOCK * LARGEST_UPDATE)
    with bench.stored_key("largest") as (key_id, key):
        stream = bench.stream(key_id)
        half = BLOCK * (LARGEST_UPDATE // 2)
        wanted = stream(blocks[:half]) + stream(blocks[half:])
        with bench.another_session() as session:
            bench.raw.begin("C_EncryptInit", session.handle, key.handle, Mechanism.AES_ECB)
            code, came = bench.raw.update(session.handle, blocks)
            bench.raw.end(session.handle)
    if code != OK:
        raise Differs(f"C_EncryptUpdate of {LARGEST_UPDATE:,} blocks: {code}")
    if came != wanted:
        raise Differs(f"C_EncryptUpdate of {LARGEST_UPDATE:,} blocks gives {len(came)} bytes, or other ones")
    return f"{LARGEST_UPDATE:,} blocks ({BLOCK * LARGEST_UPDATE:,} bytes) in one C_EncryptUpdate"


@trial("stream.interleaved")
def interleaved(bench: Bench) -> str:
    """Two operations over two keys, turn by turn, answer each with its own key."""
    turns = 200
    with bench.stored_key("left") as (left_id, left), bench.stored_key("right") as (right_id, right):
        wanted = [bytes(key.encrypt(CHECK_BLOCK, mechanism=Mechanism.AES_ECB)) for key in (left, right)]
        streams = [bench.stream(left_id), bench.stream(right_id)]
        for _ in range(turns):
            if [stream(CHECK_BLOCK) for stream in streams] != wanted:
                raise Differs("an operation answered with the key of another session's operation")
    if wanted[0] == wanted[1]:
        raise Differs("two keys that were made encipher alike")
    return f"two keys, {turns} turns"


@trial("stream.many")
def many(bench: Bench) -> str:
    """As many operations at once as an engine has keys, each over a key of its own."""
    with ExitStack() as stack:
        ids = [stack.enter_context(bench.stored_key(f"many {number}"))[0] for number in range(OPERATIONS)]
        values = [bench.token.check_value(key_id) for key_id in ids]
        streams = [bench.token.encrypt_blocks(key_id, value) for key_id, value in zip(ids, values, strict=True)]
        answers = [stream(CHECK_BLOCK) for stream in streams]
    if len(set(answers)) != OPERATIONS:
        raise Differs("of many operations over many keys, two answered alike")
    return f"{OPERATIONS} operations over {OPERATIONS} keys at once"


@trial("stream.beside")
def beside(bench: Bench) -> str:
    """Searching, making and removing keys in one session leaves the operation of another alone."""
    with bench.stored_key("beside") as (key_id, _):
        stream = bench.stream(key_id)
        wanted = stream(CHECK_BLOCK)
        with bench.stored_key("guest"):
            list(bench.session.get_objects({Attribute.TOKEN: True}))
        with bench.another_session() as other:
            list(other.get_objects({Attribute.ID: key_id}))
        if stream(CHECK_BLOCK) != wanted:
            raise Differs("the operation answered otherwise after a search in another session")
    return "a search, a new key, its removal and a session's end beside a running operation"


@trial("stream.sessions")
def sessions(bench: Bench) -> tuple[str, dict[str, float]]:
    """How many sessions there can be."""
    with ExitStack() as stack:
        for _ in range(SESSIONS):
            stack.enter_context(bench.another_session())
    return f"{SESSIONS} more sessions opened at once", {"sessions": float(SESSIONS)}


@trial("stream.stable")
def stable(bench: Bench) -> tuple[str, dict[str, float]]:
    """The same blocks give the same bytes, however often."""
    calls = bench.terms.count(50_000, 2_000)
    blocks = secrets.token_bytes(BLOCK * 16)
    with bench.stored_key("stable") as (key_id, _):
        stream = bench.stream(key_id)
        wanted = stream(blocks)
        for number in range(calls):
            if stream(blocks) != wanted:
                raise Differs(f"call {number + 1:,} of one operation gave other bytes than the first")
    return f"{calls:,} calls of one operation, all alike", {"calls": float(calls)}
