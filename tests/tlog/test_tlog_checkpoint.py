"""Checkpoints: C2SP tlog-checkpoint's example, real ones of a public log, one form only, one log's only."""

from __future__ import annotations

from base64 import b64decode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from appliance.tlog import checkpoint as checkpoints
from appliance.tlog import note as notes
from appliance.tlog.checkpoint import Checkpoint, parse_text
from appliance.tlog.errors import (
    CheckpointMalformed,
    NoteMalformed,
    OriginMismatch,
    SignatureInvalid,
    SignerUnknown,
    TlogError,
    VerifierKeyInvalid,
)
from appliance.tlog.merkle import EMPTY_ROOT, leaf_hash
from appliance.tlog.note import COSIGNATURE_ED25519, VerifierKey

# C2SP tlog-checkpoint, first example (its key is not published)
EXAMPLE = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa \
Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
""".encode()

# The Go checksum database: its key stands in the go command (cmd/go/internal/modfetch/key.go); all it signs is public.
SUMDB = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
SUMDB_ORIGIN = "go.sum database tree"
SUMDB_SIGNED = [
    """\
go.sum database tree
3784599
7uvxIZ67TZygcq/AehTD8iHYt81Ih+Zl2Y7vXZbfszQ=

— sum.golang.org \
Az3grn972wXskjQrsZhVGc93fTU2uOsmSTiId1Wn1lxDCup5z4ggl1/4gaUqOkMa6cMbYvjB7hn7yemNr7Zqanol/go=
""".encode(),
    """\
go.sum database tree
65209736
5+uGFjx6xBZG8ip1+wi77v+grwbhhukIrxEUS8PXvRo=

— sum.golang.org \
Az3grnbssgK7ubgFX36gVETtNv0U23qxyAhAMai2QUfeGa3nB/akvkMdlUErfcZz7l/R3cVtYspg3dxXABkGZZKdsQ8=
""".encode(),
]

ORIGIN = "kagimori/log/0123456789abcdef/main"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = checkpoints.key(ORIGIN, PRIVATE.public_key().public_bytes_raw())
ROOT = leaf_hash(b"root")
HERE = Checkpoint(ORIGIN, 4711, ROOT)


def signed(checkpoint: Checkpoint = HERE) -> bytes:
    return notes.render(checkpoints.sign(checkpoint, PRIVATE.sign, KEY))


# --- published ones ------------------------------------------------------------------------------


def test_the_example_of_the_specification() -> None:
    note = notes.parse(EXAMPLE)
    checkpoint = parse_text(note.text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.root == b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert checkpoint.text == note.text
    assert notes.render(note) == EXAMPLE


@pytest.mark.parametrize("data", SUMDB_SIGNED)
def test_checkpoints_of_a_public_log(data: bytes) -> None:
    key = VerifierKey.parse(SUMDB)
    found = checkpoints.verify(data, [KEY, key], SUMDB_ORIGIN)
    assert found.key == key
    assert found.checkpoint.size in (3784599, 65209736)
    with pytest.raises(OriginMismatch, match="is of the log go.sum database tree, not of elsewhere"):
        checkpoints.verify(data, [key], "elsewhere")
    with pytest.raises(SignatureInvalid):
        checkpoints.verify(data.replace(b"tree\n", b"tree\n1", 1), [key], SUMDB_ORIGIN)


# --- text ----------------------------------------------------------------------------------------

_ROOT64 = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a checkpoint has three lines: origin, size, root"),
        (f"a\n1\n{_ROOT64}", "a checkpoint has three lines"),
        ("a\n1\n", "a checkpoint has three lines"),
        (f"a\n1\n{_ROOT64}\nextension\n", "extension lines are not accepted here"),
        (f"a\n1\n{_ROOT64}\n\n", "extension lines are not accepted here"),
        (f"\n1\n{_ROOT64}\n", "origin is one line of printable text, not empty"),
        (f"a\tb\n1\n{_ROOT64}\n", "origin is one line of printable text"),
        (f"a\n\n{_ROOT64}\n", "a decimal number without leading zeros"),
        (f"a\n01\n{_ROOT64}\n", "a decimal number without leading zeros"),
        (f"a\n00\n{_ROOT64}\n", "a decimal number without leading zeros"),
        (f"a\n+1\n{_ROOT64}\n", "a decimal number without leading zeros"),
        (f"a\n-1\n{_ROOT64}\n", "a decimal number without leading zeros"),
        (f"a\n1_0\n{_ROOT64}\n", "a decimal number without leading zeros"),
        (f"a\n١\n{_ROOT64}\n", "a decimal number without leading zeros"),
        (f"a\n1 \n{_ROOT64}\n", "a decimal number without leading zeros"),
        (f"a\n0x1\n{_ROOT64}\n", "a decimal number without leading zeros"),
        (f"a\n{2**63}\n{_ROOT64}\n", "size is 0 to 2"),
        (f"a\n{10**19}\n{_ROOT64}\n", "a decimal number without leading zeros"),
        ("a\n1\n\n", "its root has 32 bytes"),
        (f"a\n1\n{_ROOT64[:-1]}\n", "root is plain base64"),
        (f"a\n1\n{_ROOT64[:-2]}J=\n", "not in its one form"),
        (f"a\n1\n{_ROOT64} \n", "root is plain base64"),
        (f"a\n1\n{_ROOT64.replace('/', '_')}\n", "root is plain base64"),
        ("a\n1\nAAAA\n", "its root has 32 bytes"),
        ("a\n1\nä\n", "root is plain base64"),
        (f"a\n0\n{_ROOT64}\n", "the empty log has one root only, the SHA-256 of nothing"),
    ],
)
def test_what_is_no_checkpoint(text: str, message: str) -> None:
    with pytest.raises(CheckpointMalformed, match=message):
        parse_text(text)


def test_the_largest_size_is_read() -> None:
    assert parse_text(f"a\n{2**63 - 1}\n{_ROOT64}\n").size == 2**63 - 1


def test_extension_lines_are_kept_where_they_are_accepted() -> None:
    text = f"a\n1\n{_ROOT64}\none\ntwo 2\n"
    checkpoint = parse_text(text, extensions=True)
    assert checkpoint.extensions == ("one", "two 2")
    assert checkpoint.text == text
    for wrong in ("\n", "one\n\n", "one"):
        with pytest.raises(CheckpointMalformed):
            parse_text(f"a\n1\n{_ROOT64}\n{wrong}", extensions=True)


_origins = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=30)
_roots = st.binary(min_size=32, max_size=32)
any_checkpoint = st.builds(Checkpoint, _origins, st.integers(1, 2**63 - 1), _roots) | st.builds(
    Checkpoint, _origins, st.just(0), st.just(EMPTY_ROOT)
)


@given(any_checkpoint, st.data())
def test_text_and_back_and_altered(checkpoint: Checkpoint, data: st.DataObject) -> None:
    text = checkpoint.text
    assert parse_text(text) == checkpoint
    place = data.draw(st.integers(0, len(text) - 1))
    altered = text[:place] + data.draw(st.text(max_size=2)) + text[place + 1 :]
    try:
        found = parse_text(altered, extensions=True)
    except CheckpointMalformed:
        return
    assert found.text == altered
    assert (found == checkpoint) == (altered == text)


# --- signing and verifying -------------------------------------------------------------------------


def test_sign_and_verify() -> None:
    found = checkpoints.verify(signed(), [KEY], ORIGIN)
    assert (found.checkpoint, found.key) == (HERE, KEY)
    assert found.note.text == HERE.text
    empty = Checkpoint(ORIGIN, 0, EMPTY_ROOT)
    assert checkpoints.verify(signed(empty), [KEY], ORIGIN).checkpoint == empty


def test_every_bit_of_a_signed_checkpoint_matters() -> None:
    data = signed()
    for place in range(len(data)):
        for bit in range(8):
            altered = data[:place] + bytes((data[place] ^ 1 << bit,)) + data[place + 1 :]
            with pytest.raises(TlogError) as refusal:
                checkpoints.verify(altered, [KEY], ORIGIN)
            assert isinstance(refusal.value, NoteMalformed | SignerUnknown | SignatureInvalid)
    for cut in range(len(data)):
        with pytest.raises(TlogError):
            checkpoints.verify(data[:cut], [KEY], ORIGIN)


def test_an_older_generation_of_the_log_key() -> None:
    """Checkpoints signed by log.1 stay good after log.2 signs; both keys have the log's name."""
    newer = Ed25519PrivateKey.from_private_bytes(bytes(32))
    keys = [checkpoints.key(ORIGIN, newer.public_key().public_bytes_raw()), KEY]
    assert checkpoints.verify(signed(), keys, ORIGIN).key == KEY
    assert checkpoints.sign(HERE, newer.sign, keys[0]).signatures[0].key_id != KEY.key_id
    with pytest.raises(SignerUnknown, match="not signed by any key that is known here"):
        checkpoints.verify(signed(), keys[:1], ORIGIN)


def test_another_log_signed_with_the_same_key() -> None:
    """A rehearsal's log, say; the key's name is another, so its lines are a stranger's."""
    other = Checkpoint("kagimori/log/0123456789abcdef/second", 4711, ROOT)
    key = checkpoints.key(other.origin, KEY.public)
    data = notes.render(checkpoints.sign(other, PRIVATE.sign, key))
    with pytest.raises(SignerUnknown):
        checkpoints.verify(data, [KEY], ORIGIN)
    with pytest.raises(
        OriginMismatch, match=f"the checkpoint is of the log {other.origin}, not of {ORIGIN}"
    ) as refusal:
        checkpoints.verify(data, [key], ORIGIN)
    assert "trust anchor" in (refusal.value.hint or "")


def test_signed_but_no_checkpoint() -> None:
    """The signature is verified first: the text of an unsigned note means nothing."""
    note = notes.Note("just words\n", (notes.Signature(ORIGIN, KEY.key_id, PRIVATE.sign(b"just words\n")),))
    with pytest.raises(CheckpointMalformed, match="a checkpoint has three lines"):
        checkpoints.verify(notes.render(note), [KEY], ORIGIN)
    with pytest.raises(SignerUnknown):
        checkpoints.verify(notes.render(note), [], ORIGIN)


def test_what_was_signed_is_verified_at_once() -> None:
    for wrong in (lambda _: bytes(64), lambda message: PRIVATE.sign(message + b" "), lambda _: b"short"):
        with pytest.raises(
            SignatureInvalid, match=f"the signature of {ORIGIN} does not fit the note's text and the key"
        ):
            checkpoints.sign(HERE, wrong, KEY)


def test_a_log_signs_in_its_own_name_only() -> None:
    def never(message: bytes) -> bytes:
        pytest.fail("asked for a signature")

    with pytest.raises(OriginMismatch, match=f"the key {ORIGIN} does not sign for the log elsewhere"):
        checkpoints.sign(Checkpoint("elsewhere", 1, ROOT), never, KEY)


def test_keys_of_a_log() -> None:
    with pytest.raises(VerifierKeyInvalid, match="a key of type Ed25519 has 32 bytes"):
        checkpoints.key(ORIGIN, bytes(31))
    with pytest.raises(VerifierKeyInvalid, match="no space and no plus"):
        checkpoints.key("a log", KEY.public)
    cosigner = VerifierKey(ORIGIN, COSIGNATURE_ED25519, KEY.public)
    with pytest.raises(VerifierKeyInvalid, match="notes are signed with a key of type 0x01"):
        checkpoints.sign(HERE, PRIVATE.sign, cosigner)


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [("", 1, ROOT), ("a\nb", 1, ROOT), ("a\ud800", 1, ROOT), ("a", -1, ROOT), ("a", 2**63, ROOT), ("a", 1, ROOT[1:])],
)
def test_checkpoints_that_cannot_be(origin: str, size: int, root: bytes) -> None:
    with pytest.raises(CheckpointMalformed, match="a checkpoint's (size|origin) is"):
        Checkpoint(origin, size, root)
