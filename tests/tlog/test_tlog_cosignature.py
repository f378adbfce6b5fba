"""Cosignatures, Ed25519 and ML-DSA-44: exactly what C2SP tlog-cosignature signs, for one checkpoint and one witness."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from appliance.tlog import checkpoint as checkpoints
from appliance.tlog import cosignature
from appliance.tlog import note as notes
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.cosignature import cosigner, sign_ed25519, sign_ml_dsa_44, verified, verify
from appliance.tlog.errors import CosignatureInvalid, VerifierKeyInvalid
from appliance.tlog.merkle import leaf_hash
from appliance.tlog.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, ED25519, Signature, VerifierKey

# C2SP tlog-cosignature, first example (the keys are not published)
EXAMPLE = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa \
Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 \
jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
""".encode()

# ... and the message that section "Ed25519 signed message" shows for it
MESSAGE = b"""\
cosignature/v1
time 1679315147
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
"""
TIME = 1679315147

ED = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PQ = MLDSA44PrivateKey.from_seed_bytes(bytes(range(32)))
NAME = "witness.example.com/w1"
ED_KEY = VerifierKey(NAME, COSIGNATURE_ED25519, ED.public_key().public_bytes_raw())
PQ_KEY = VerifierKey(NAME, COSIGNATURE_ML_DSA_44, PQ.public_key().public_bytes_raw())
HERE = checkpoints.parse_text(notes.parse(EXAMPLE).text)
Sign = Callable[..., Signature]
SIGNERS = [
    pytest.param(lambda checkpoint, time, name=NAME: sign_ed25519(ED, name, checkpoint, time), ED_KEY, id="ed25519"),
    pytest.param(
        lambda checkpoint, time, name=NAME: sign_ml_dsa_44(PQ, name, checkpoint, time), PQ_KEY, id="ml-dsa-44"
    ),
]


# --- the specification ---------------------------------------------------------------------------


def test_the_example_of_the_specification() -> None:
    note = notes.parse(EXAMPLE)
    line = note.signatures[1]
    assert (line.name, len(line.data)) == (NAME, 8 + 64)
    assert int.from_bytes(line.data[:8], "big") == TIME
    assert notes.render(note) == EXAMPLE


def test_the_message_of_the_specification_is_what_ed25519_signs() -> None:
    line = sign_ed25519(ED, NAME, HERE, TIME)
    assert line.data == struct.pack(">Q", TIME) + ED.sign(MESSAGE)
    assert line.key_id == ED_KEY.key_id
    ED.public_key().verify(line.data[8:], MESSAGE)


def test_the_structure_of_the_specification_is_what_ml_dsa_signs() -> None:
    """`cosigned_message`, field by field, with an empty context (FIPS 204)."""
    line = sign_ml_dsa_44(PQ, NAME, HERE, TIME)
    message = b"subtree/v1\n\0"
    message += bytes((22,)) + b"witness.example.com/w1" + struct.pack(">Q", TIME)
    message += bytes((27,)) + b"example.com/behind-the-sofa" + struct.pack(">QQ", 0, 20852163) + HERE.root
    assert len(line.data) == 8 + 2420
    assert line.data[:8] == struct.pack(">Q", TIME)
    PQ.public_key().verify(line.data[8:], message)


# --- both kinds ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("sign", "key"), SIGNERS)
def test_sign_and_verify(sign: Sign, key: VerifierKey) -> None:
    line = sign(HERE, TIME)
    found = verify(HERE, line, key)
    assert (found.name, found.kind, found.time, found.signature) == (NAME, key.kind, TIME, line)
    assert cosigner(str(key)) == key


@pytest.mark.parametrize(("sign", "key"), SIGNERS)
def test_it_is_for_that_checkpoint_only(sign: Sign, key: VerifierKey) -> None:
    line = sign(HERE, TIME)
    for other in (
        replace(HERE, origin="example.com/behind-the-sofb"),
        replace(HERE, size=HERE.size + 1),
        replace(HERE, root=leaf_hash(b"other")),
    ):
        with pytest.raises(
            CosignatureInvalid,
            match=f"the cosignature of {NAME} does not fit the checkpoint of size {other.size} and the witness's key",
        ) as refusal:
            verify(other, line, key)
        assert refusal.value.hint == "The witness makes it anew from the newest checkpoint, as the log serves it."


@pytest.mark.parametrize(("sign", "key"), SIGNERS)
def test_altered_bytes_of_it(sign: Sign, key: VerifierKey) -> None:
    line = sign(HERE, TIME)
    for place in {*range(12), *range(12, len(line.data), 97), len(line.data) - 1}:
        altered = replace(line, data=line.data[:place] + bytes((line.data[place] ^ 1,)) + line.data[place + 1 :])
        with pytest.raises(CosignatureInvalid, match=f"the cosignature of {NAME}"):
            verify(HERE, altered, key)
    for data in (b"", line.data[:-1], line.data + b"\0", line.data[8:]):
        with pytest.raises(CosignatureInvalid, match=f"of {NAME} is not a cosignature by the key {NAME}"):
            verify(HERE, replace(line, data=data), key)


@pytest.mark.parametrize(("sign", "key"), SIGNERS)
def test_it_is_of_that_witness_only(sign: Sign, key: VerifierKey) -> None:
    line = sign(HERE, TIME, "witness.example.com/w2")
    with pytest.raises(
        CosignatureInvalid, match="the signature line of witness.example.com/w2 is not a cosignature by"
    ):
        verify(HERE, line, key)
    with pytest.raises(CosignatureInvalid, match="is not a cosignature by the key"):
        verify(HERE, replace(line, name=NAME), key)


def test_ml_dsa_binds_the_name_itself() -> None:
    """Even a line renamed with the right key ID; the Ed25519 kind does not sign the witness's name."""
    line = sign_ml_dsa_44(PQ, "witness.example.com/w2", HERE, TIME)
    with pytest.raises(CosignatureInvalid, match="does not fit the checkpoint"):
        verify(HERE, replace(line, name=NAME, key_id=PQ_KEY.key_id), PQ_KEY)


@pytest.mark.parametrize(("sign", "key"), SIGNERS)
@pytest.mark.parametrize("time", [0, -1, 2**63])
def test_times_that_say_nothing(sign: Sign, key: VerifierKey, time: int) -> None:
    """C2SP tlog-witness: a witness's timestamp MUST NOT be zero; tlog-cosignature: nor above 2**63 - 1."""
    with pytest.raises(CosignatureInvalid, match="states no time between 1 and 2"):
        sign(HERE, time)
    if time >= 0:
        stated = Signature(NAME, key.key_id, time.to_bytes(8, "big") + sign(HERE, TIME).data[8:])
        with pytest.raises(CosignatureInvalid, match="states no time between 1 and 2"):
            verify(HERE, stated, key)


@pytest.mark.parametrize(("sign", "key"), SIGNERS)
@pytest.mark.parametrize("time", [1, 2**63 - 1])
def test_the_first_and_the_last_time(sign: Sign, key: VerifierKey, time: int) -> None:
    assert verify(HERE, sign(HERE, time), key).time == time


def test_kinds_that_do_not_cosign() -> None:
    key = VerifierKey(NAME, ED25519, ED_KEY.public)
    line = Signature(NAME, key.key_id, sign_ed25519(ED, NAME, HERE, TIME).data)
    for call in (
        lambda: verify(HERE, line, key),
        lambda: cosigner(str(key)),
        lambda: verified(notes.Note(HERE.text, (line,)), HERE, [key]),
    ):
        with pytest.raises(VerifierKeyInvalid, match="a witness cosigns with a key of type 0x04 or 0x06"):
            call()


def test_extension_lines_and_ml_dsa() -> None:
    """Ed25519 signs them with the rest; ML-DSA-44 would leave them unsigned, so it signs no such checkpoint."""
    extended = replace(HERE, extensions=("extension",))
    line = sign_ed25519(ED, NAME, extended, TIME)
    assert verify(extended, line, ED_KEY).time == TIME
    with pytest.raises(CosignatureInvalid):
        verify(HERE, line, ED_KEY)
    with pytest.raises(CosignatureInvalid, match="an ML-DSA-44 cosignature does not cover extension lines"):
        sign_ml_dsa_44(PQ, NAME, extended, TIME)
    with pytest.raises(CosignatureInvalid, match="does not cover extension lines"):
        verify(extended, sign_ml_dsa_44(PQ, NAME, HERE, TIME), PQ_KEY)


def test_names_too_long_for_ml_dsa() -> None:
    for name, origin in (("w" * 256, "log"), ("w", "l" * 256), ("w", "鍵" * 86)):
        with pytest.raises(CosignatureInvalid, match="names witness and log in 1 to 255 bytes each"):
            sign_ml_dsa_44(PQ, name, Checkpoint(origin, 1, HERE.root), TIME)
    for name, origin in (("w" * 255, "鍵" * 85), ("w", "l")):
        sign_ml_dsa_44(PQ, name, Checkpoint(origin, 1, HERE.root), TIME)


@given(st.integers(1, 2**63 - 1), st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_any_time_size_and_root(time: int, size: int, root: bytes) -> None:
    here = Checkpoint("kagimori/log/0123456789abcdef/main", size, root)
    assert verify(here, sign_ed25519(ED, NAME, here, time), ED_KEY).time == time


# --- the cosignatures of a note ------------------------------------------------------------------


def test_those_of_known_witnesses() -> None:
    """In the order of the keys; the log's line and strangers' lines are not looked at."""
    second = Ed25519PrivateKey.from_private_bytes(bytes(32))
    strange = sign_ed25519(second, "strange.example", HERE, TIME)
    lines = (
        *notes.parse(EXAMPLE).signatures,
        strange,
        sign_ml_dsa_44(PQ, NAME, HERE, 2),
        sign_ed25519(ED, NAME, HERE, 1),
    )
    note = notes.parse(notes.render(notes.Note(HERE.text, lines)))
    found = verified(note, HERE, iter([ED_KEY, PQ_KEY]))
    assert [(one.kind, one.time) for one in found] == [(COSIGNATURE_ED25519, 1), (COSIGNATURE_ML_DSA_44, 2)]
    assert verified(note, HERE, []) == ()


def test_a_witness_counts_once() -> None:
    """Two cosignatures of one key, and the key listed twice: the newest, once."""
    lines = tuple(sign_ed25519(ED, NAME, HERE, time) for time in (5, 9, 7))
    (found,) = verified(notes.Note(HERE.text, lines), HERE, [ED_KEY, ED_KEY])
    assert (found.time, found.signature) == (9, lines[1])


def test_a_wrong_line_in_a_known_name_refuses_all() -> None:
    good = sign_ed25519(ED, NAME, HERE, TIME)
    wrong = replace(good, data=good.data[:-1] + bytes((good.data[-1] ^ 1,)))
    other = sign_ed25519(ED, NAME, replace(HERE, size=1), TIME)
    for lines in ((wrong,), (good, wrong), (other, good)):
        with pytest.raises(CosignatureInvalid, match=f"the cosignature of {NAME} does not fit"):
            verified(notes.Note(HERE.text, lines), HERE, [ED_KEY])


def test_cosignatures_of_another_text() -> None:
    note = notes.Note(replace(HERE, size=1).text, (sign_ed25519(ED, NAME, HERE, TIME),))
    with pytest.raises(CosignatureInvalid, match=f"the note is not the checkpoint of size {HERE.size}"):
        verified(note, HERE, [ED_KEY])


def test_what_was_signed_is_verified_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signer that gives something else (a broken key store, say) makes no line."""
    monkeypatch.setattr(cosignature, "_message", lambda *_: next(messages))
    messages = iter([b"signed", b"verified"])
    with pytest.raises(CosignatureInvalid, match="does not fit"):
        sign_ed25519(ED, NAME, HERE, TIME)
