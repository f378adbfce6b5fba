"""Signed notes: the examples of C2SP signed-note, one spelling only, and their signatures."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from appliance.tlog import note as notes
from appliance.tlog.errors import NoteMalformed, SignatureInvalid, SignerUnknown, VerifierKeyInvalid
from appliance.tlog.note import COSIGNATURE_ED25519, ED25519, Note, Signature, VerifierKey

# C2SP signed-note, "Verifier keys", example
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SIGNED = """\
This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
""".encode()

# C2SP signed-note, first example: an empty line in the text
POEM = """\
Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore \
NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
""".encode()

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = VerifierKey("log.example/1", ED25519, PRIVATE.public_key().public_bytes_raw())


def signed(text: str = "text\n", key: VerifierKey = KEY, private: Ed25519PrivateKey = PRIVATE) -> Note:
    return Note(text, (Signature(key.name, key.key_id, private.sign(text.encode())),))


# --- the published examples ----------------------------------------------------------------------


def test_the_example_of_the_specification() -> None:
    note = notes.parse(SIGNED)
    key = VerifierKey.parse(VKEY)
    assert note.text == "This is an example message.\n"
    assert notes.verify(note, [key]) == key
    assert notes.render(note) == SIGNED
    assert (str(key), key.key_id.hex(), key.kind) == (VKEY, "530d903a", ED25519)


def test_the_text_ends_at_the_last_empty_line() -> None:
    note = notes.parse(POEM)
    assert note.text.splitlines() == [
        "Ognuno sta solo sul cuor della terra",
        "trafitto da un raggio di sole:",
        "",
        "ed è subito sera.",
    ]
    (signature,) = note.signatures
    assert (signature.name, signature.key_id.hex()) == ("quasimodo.example/salvatore", "367ba04b")
    assert len(signature.data) == 64
    assert notes.render(note) == POEM


# --- notes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a note is a text, an empty line, and signature lines"),
        (b"text\n", "a note is a text, an empty line, and signature lines"),
        (b"text\n\n", "a note is a text, an empty line, and signature lines"),
        (SIGNED[:-1], "each ended by a newline"),
        (SIGNED + b"\n", "each ended by a newline"),
        (SIGNED.replace(b"\n\n", b"\n"), "a note is a text, an empty line"),
        (SIGNED + b"no signature\n", "a signature line begins with an em dash and a space"),
        (SIGNED.replace("— ".encode(), b"- "), "a signature line begins with an em dash and a space"),
        (SIGNED.replace("— ".encode(), "—".encode()), "a signature line begins with an em dash and a space"),
        (SIGNED.replace("— ".encode(), "—  ".encode()), "a key's name has at least one character"),
        (SIGNED.replace(b"example.com/foo ", b"example.com/foo"), "is not plain base64"),
        (SIGNED.replace(b"com/foo", b"com+foo"), "a key's name has at least one character, and no space and no plus"),
        (SIGNED.replace(b"com/foo", "com/f\u2003oo".encode()), "no space and no plus"),
        (SIGNED.replace(b"com/foo", "com/f\u0085oo".encode()), "no space and no plus"),
        (SIGNED.replace(b"IneyaQM=", b"IneyaQN="), "the signature of example.com/foo is not plain base64"),
        (SIGNED.replace(b"IneyaQM=", b"IneyaQM"), "the signature of example.com/foo is not plain base64"),
        (SIGNED.replace(b"IneyaQM=", b"IneyaQM= "), "the signature of example.com/foo is not plain base64"),
        (SIGNED.replace(b"IneyaQM=", b"Ine-aQM="), "the signature of example.com/foo is not plain base64"),
        (b"text\n\n" + "— name \n".encode(), "the signature of name is not plain base64"),
        (b"text\n\n" + "— name AAAAAA==\n".encode(), "the signature of name is too short"),
        (SIGNED.replace(b"message.", b"message.\r"), "the note holds a control character"),
        (SIGNED.replace(b"message.", b"mess\x00age."), "the note holds a control character"),
        (SIGNED.replace(b"message.", b"mess\tage."), "the note holds a control character"),
        (SIGNED.replace(b"message.", b"mess\xffage."), "the note is not UTF-8"),
        (SIGNED.replace(b"message.", b"mess\xed\xa0\x80age."), "the note is not UTF-8"),
        (b"text\n\n" + 101 * "— name AAAAAAA=\n".encode(), "the note has 101 signatures; at most 100 are read"),
        (1_000_001 * b"x", "the note has 1000001 bytes; at most 1000000 are read"),
    ],
)
def test_what_is_no_note(data: bytes, message: str) -> None:
    with pytest.raises(NoteMalformed, match=message):
        notes.parse(data)


def test_the_largest_note_is_read() -> None:
    line = "\n— name AAAAAAA=\n".encode()
    data = b"x" * (1_000_000 - 1 - len(line)) + b"\n" + line
    assert (len(data), notes.render(notes.parse(data))) == (1_000_000, data)


def test_a_hundred_signatures_are_read() -> None:
    """C2SP signed-note: a verifier MUST accept at least 16; ML-DSA-44 lines are 3.3 kB each."""
    lines = tuple(Signature(f"witness.example/{number}", bytes(4), bytes(2428)) for number in range(100))
    note = Note("text\n", lines)
    assert notes.parse(notes.render(note)) == note


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("text", (Signature("name", bytes(4), b"x"),)),
        ("text\n", ()),
        ("te\rxt\n", (Signature("name", bytes(4), b"x"),)),
        ("te\ud800xt\n", (Signature("name", bytes(4), b"x"),)),
        ("text\n", (Signature("na me", bytes(4), b"x"),)),
        ("text\n", (Signature("name", bytes(3), b"x"),)),
        ("text\n", (Signature("name", bytes(4), b""),)),
        ("text\n", (Signature("name QUFBQUFB\n— other", bytes(4), b"x"),)),
    ],
)
def test_what_would_not_be_read_again_is_not_written(text: str, lines: tuple[Signature, ...]) -> None:
    with pytest.raises(NoteMalformed):
        notes.render(Note(text, lines))


_line = st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), max_size=20)
_name = st.text(
    st.characters(codec="ascii", categories=("L", "N", "P"), exclude_characters="+"), min_size=1, max_size=20
)
_signature = st.builds(Signature, _name, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=70))
any_note = st.builds(
    Note,
    st.lists(_line, min_size=1, max_size=5).map(lambda lines: "".join(f"{line}\n" for line in lines)),
    st.lists(_signature, min_size=1, max_size=4).map(tuple),
)


@given(any_note)
def test_note_and_back(note: Note) -> None:
    assert notes.parse(notes.render(note)) == note


@given(any_note, st.data())
def test_an_altered_byte_is_refused_or_says_something_else(note: Note, data: st.DataObject) -> None:
    """No two spellings of one note: what is read from other bytes is another note, and those bytes are its own."""
    good = notes.render(note)
    place = data.draw(st.integers(0, len(good) - 1))
    altered = good[:place] + data.draw(st.binary(max_size=2)) + good[place + 1 :]
    try:
        found = notes.parse(altered)
    except NoteMalformed:
        return
    assert notes.render(found) == altered
    assert (found == note) == (altered == good)


# --- signatures ----------------------------------------------------------------------------------


def test_one_of_several_keys_signed() -> None:
    other = VerifierKey.parse(VKEY)
    assert notes.verify(signed(), iter([other, KEY])) == KEY


def test_nobody_who_is_known_signed() -> None:
    namesake = VerifierKey(KEY.name, ED25519, VerifierKey.parse(VKEY).public)
    for keys in ([], [VerifierKey.parse(VKEY)], [namesake]):
        with pytest.raises(SignerUnknown, match="the note is not signed by any key that is known here") as refusal:
            notes.verify(signed(), keys)
        assert "take over the ledger's new files" in (refusal.value.hint or "")


def test_a_wrong_signature_in_a_known_name_refuses_the_note() -> None:
    """C2SP signed-note: even beside a right one."""
    good = signed()
    for data in (bytes(64), good.signatures[0].data[:-1], good.signatures[0].data + b"\0", b"\1"):
        wrong = Signature(KEY.name, KEY.key_id, data)
        for lines in ((wrong,), (*good.signatures, wrong), (wrong, *good.signatures)):
            with pytest.raises(SignatureInvalid, match="the signature of log.example/1 does not fit the note's text"):
                notes.verify(Note(good.text, lines), [KEY])
    with pytest.raises(SignatureInvalid):
        notes.verify(Note("other\n", good.signatures), [KEY])


def test_lines_of_strangers_are_not_looked_at() -> None:
    strange = Signature("witness.example", bytes(4), b"?"), Signature(KEY.name, bytes(4), b"?")
    assert notes.verify(Note("text\n", (*strange, *signed().signatures)), [KEY]) == KEY


def test_a_cosigning_key_does_not_sign_notes() -> None:
    """The same private key, but its cosignatures sign another message."""
    key = VerifierKey(KEY.name, COSIGNATURE_ED25519, KEY.public)
    with pytest.raises(VerifierKeyInvalid, match="notes are signed with a key of type 0x01"):
        notes.verify(signed(key=key), [key])
