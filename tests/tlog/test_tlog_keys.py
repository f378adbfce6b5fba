"""Verifier keys: C2SP signed-note's example, one spelling only, and no key for which anybody can sign."""

from __future__ import annotations

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from appliance.tlog.errors import VerifierKeyInvalid
from appliance.tlog.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, ED25519, VerifierKey

# C2SP signed-note, "Verifier keys", example
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = VerifierKey("log.example/1", ED25519, PRIVATE.public_key().public_bytes_raw())

_name = st.text(
    st.characters(codec="ascii", categories=("L", "N", "P"), exclude_characters="+"), min_size=1, max_size=20
)


def test_the_key_id_of_a_published_ml_dsa_key() -> None:
    """The log key of torchwood's litewitness test (cmd/litewitness/testdata/mldsa.txt), from its published seed."""
    seed = bytes.fromhex("2886adc2b0eabfce67c0472939127998bf886cf256bfee8ba76a253fce1146e0")
    public = MLDSA44PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()
    key = VerifierKey("example.com/mldsa-log", COSIGNATURE_ML_DSA_44, public)
    assert str(key).startswith("example.com/mldsa-log+b5df45c5+BuhtcL97l3dcitjZ8Y9J54gmQ1TWn/BMF0yePKpTzhlF")
    assert VerifierKey.parse(str(key)) == key


@pytest.mark.parametrize(
    ("vkey", "message"),
    [
        ("", "a verifier key is <name>\\+<key ID>\\+<base64 of type and key>"),
        ("example.com/foo", "a verifier key is <name>"),
        ("example.com/foo+530d903a", "a verifier key is <name>"),
        (VKEY + "=", "a verifier key is <name>"),
        (VKEY + "\n", "a verifier key is <name>"),
        (VKEY[:-1] + "l", "the key ID must be [0-9a-f]{8}; a part was changed"),
        (VKEY.replace("530d903a", "530d903b"), "the key ID must be 530d903a; a part was changed"),
        (VKEY.replace("530d903a", "530D903A"), "the key ID must be 530d903a"),
        (VKEY.replace("530d903a", "0530d903a"), "the key ID must be 530d903a"),
        (VKEY.replace("foo", "bar"), "verifier key example.com/bar: the key ID must be"),
        (VKEY.replace("foo", "f oo"), "a key's name has at least one character, and no space and no plus"),
        ("+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "a key's name has at least one character"),
        (VKEY.replace("+Aeky", "+Aueky"), "a verifier key is <name>"),
        (VKEY.replace("+AekyeRr", "+AekyeRs"), "a part was changed"),
        (VKEY.replace("+Ae", "+BO"), "a part was changed"),  # type 0x04
        (VKEY.replace("+Ae", "+Be"), "signature type 0x05 is not known here"),
        (f"name+00000000+{b64encode(bytes(33)).decode()}", "signature type 0x00 is not known here"),
        (f"name+00000000+{b64encode(bytes((2,)) + bytes(32)).decode()}", "signature type 0x02 is not known here"),
        (f"name+00000000+{b64encode(bytes((1,)) + bytes(31)).decode()}", "a key of type Ed25519 has 32 bytes"),
        (f"name+00000000+{b64encode(bytes((6,)) + bytes(32)).decode()}", "ML-DSA-44 cosignature has 1312 bytes"),
    ],
)
def test_what_is_no_verifier_key(vkey: str, message: str) -> None:
    with pytest.raises(VerifierKeyInvalid, match=message) as refusal:
        VerifierKey.parse(vkey)
    assert refusal.value.hint == "Take the key over anew from its holder, whole: <name>+<key ID in hex>+<base64>."


@given(_name, st.sampled_from([ED25519, COSIGNATURE_ED25519]), st.binary(min_size=32, max_size=32), st.data())
def test_key_and_back_and_every_altered_character(name: str, kind: int, public: bytes, data: st.DataObject) -> None:
    try:
        key = VerifierKey(name, kind, public)
    except VerifierKeyInvalid as refusal:
        assert "small order" in refusal.message
        return
    assert VerifierKey.parse(str(key)) == key
    place = data.draw(st.integers(0, len(str(key)) - 1))
    altered = str(key)[:place] + data.draw(st.characters()) + str(key)[place + 1 :]
    if altered != str(key):
        with pytest.raises(VerifierKeyInvalid):
            VerifierKey.parse(altered)


def test_the_key_id_depends_on_name_kind_and_key() -> None:
    public = KEY.public
    keys = [
        KEY,
        VerifierKey("log.example/2", ED25519, public),
        VerifierKey(KEY.name, COSIGNATURE_ED25519, public),
        VerifierKey(KEY.name, ED25519, public[:31] + bytes((public[31] ^ 1,))),
    ]
    assert len({key.key_id for key in keys}) == len(keys)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\x00b", "a\u00a0b", "a\u2028b", "a\ud800b"])
def test_names_that_no_key_has(name: str) -> None:
    with pytest.raises(VerifierKeyInvalid, match="a key's name has at least one character, and no space and no plus"):
        VerifierKey(name, ED25519, KEY.public)


def test_a_key_for_which_anybody_can_sign_is_refused() -> None:
    """The points of small order, in both their encodings; with the neutral one, R = B and s = 1 sign everything."""
    base = bytes.fromhex("58" + 31 * "66")
    neutral = bytes((1,)) + bytes(31)
    Ed25519PublicKey.from_public_bytes(neutral).verify(base + neutral, b"whatever was never signed")
    field = 2**255 - 19
    eighth = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
    for y in (0, 1, field - 1, field, field + 1, eighth, field - eighth):
        for sign in (0, 1 << 255):
            for kind in (ED25519, COSIGNATURE_ED25519):
                with pytest.raises(VerifierKeyInvalid, match="a point of small order, for which anybody can sign"):
                    VerifierKey("name", kind, (y | sign).to_bytes(32, "little"))
