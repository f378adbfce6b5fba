"""Outside judges: two programs of others verify our checkpoints, cosignatures, proofs and tiles, and we theirs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import judgekit
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from judgekit import NAMES, OK, Judges
from tlognaive import entry, mth, subtree

from appliance.tlog import checkpoint as checkpoints
from appliance.tlog import cosignature, merkle, tiles
from appliance.tlog import note as notes
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, VerifierKey

ORIGIN = "kagimori/log/0123456789abcdef/main"
SEED = bytes(range(32))
ED = Ed25519PrivateKey.from_private_bytes(SEED)
PQ = MLDSA44PrivateKey.from_seed_bytes(SEED)
LOG = checkpoints.key(ORIGIN, ED.public_key().public_bytes_raw())
WITNESS = VerifierKey("oversight.example/ed", COSIGNATURE_ED25519, ED.public_key().public_bytes_raw())
PQ_WITNESS = VerifierKey("oversight.example/pq", COSIGNATURE_ML_DSA_44, PQ.public_key().public_bytes_raw())
TIME = 1_800_000_000
SIZES = (*range(1, 34), 255, 256, 257, 300)


@pytest.fixture(scope="module")
def judges() -> Judges:
    return judgekit.install()


def cosigned(size: int) -> notes.Note:
    """Signed by the log, cosigned by two witnesses, one of each kind."""
    here = Checkpoint(ORIGIN, size, mth(0, size))
    note = checkpoints.sign(here, ED.sign, LOG)
    lines = (
        cosignature.sign_ed25519(ED, WITNESS.name, here, TIME),
        cosignature.sign_ml_dsa_44(PQ, PQ_WITNESS.name, here, TIME),
    )
    return notes.Note(note.text, (*note.signatures, *lines))


def write_copy(folder: Path, size: int, *, signed: int | None = None) -> Path:
    """What a client has that fetched all of a log: tiles, bundles, and the checkpoint (of another size, if given)."""
    for tile in (*tiles.tiles_of(size), *tiles.bundles_of(size)):
        first = tile.index * tiles.TILE_WIDTH
        if tile.level == tiles.ENTRIES:
            data = tiles.pack_bundle([entry(first + number) for number in range(tile.width)])
        else:
            data = b"".join(subtree(8 * tile.level, first + number) for number in range(tile.width))
        place = folder / tile.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    (folder / "checkpoint").write_bytes(notes.render(cosigned(signed or size)))
    return folder


# --- checkpoints and cosignatures ----------------------------------------------------------------


def checkpoint_question(judge: str, note: notes.Note, **other: Any) -> dict[str, Any]:
    """aics-tlog knows the Ed25519 cosignature, tlog-scales both."""
    witnesses = [str(WITNESS)] if judge == "aics" else [str(WITNESS), str(PQ_WITNESS)]
    asked = {"ask": f"{judge}.checkpoint", "origin": ORIGIN, "log_key": str(LOG), "witnesses": witnesses}
    return asked | {"note": notes.render(note).decode()} | other


def test_they_accept_our_checkpoints_and_cosignatures(judges: Judges) -> None:
    questions = [checkpoint_question(judge, cosigned(size)) for judge in NAMES for size in (1, 300)]
    assert judges.ask(questions) == [OK] * len(questions)


@pytest.mark.parametrize("line", [0, 1, 2])
def test_they_refuse_an_altered_line(judges: Judges, line: int) -> None:
    """The log's, the Ed25519 witness's, the ML-DSA-44 witness's: the judges do look at each of them."""
    note = cosigned(300)
    lines = [*note.signatures]
    data = lines[line].data
    lines[line] = notes.Signature(lines[line].name, lines[line].key_id, data[:-1] + bytes((data[-1] ^ 1,)))
    altered = notes.Note(note.text, tuple(lines))
    aics, scales = judges.ask([checkpoint_question(judge, altered) for judge in NAMES])
    assert (aics == OK) == (line == 2)
    assert scales != OK


def test_they_refuse_another_text_and_another_log(judges: Judges) -> None:
    note = cosigned(300)
    other = notes.Note(Checkpoint(ORIGIN, 300, mth(0, 299)).text, note.signatures)
    questions = [checkpoint_question(judge, other) for judge in NAMES]
    questions += [checkpoint_question(judge, note, origin="kagimori/log/0123456789abcdef/second") for judge in NAMES]
    assert OK not in judges.ask(questions)


def test_we_accept_what_aics_signed(judges: Judges) -> None:
    question = {"seed": SEED.hex(), "origin": ORIGIN, "size": 300, "root": mth(0, 300).hex(), "witness": WITNESS.name}
    (made,) = judges.ask([question | {"ask": "aics.sign", "time": TIME}])
    assert (made["log"], made["witness"]) == (str(LOG), str(WITNESS))
    found = checkpoints.verify(made["note"].encode(), [VerifierKey.parse(made["log"])], ORIGIN)
    (witness,) = cosignature.verified(found.note, found.checkpoint, [cosignature.cosigner(made["witness"])])
    assert (found.checkpoint.size, witness.time) == (300, TIME)
    assert made["note"].encode() == notes.render(notes.Note(cosigned(300).text, cosigned(300).signatures[:2]))


def test_we_accept_what_scales_signed(judges: Judges) -> None:
    """An ML-DSA-44 cosignature of another implementation, too."""
    question = {"seed": SEED.hex(), "origin": ORIGIN, "size": 300, "root": mth(0, 300).hex()}
    (made,) = judges.ask([question | {"ask": "scales.sign", "witness": PQ_WITNESS.name}])
    assert (made["log"], made["witness"]) == (str(LOG), str(PQ_WITNESS))
    found = checkpoints.verify(made["note"].encode(), [VerifierKey.parse(made["log"])], ORIGIN)
    (witness,) = cosignature.verified(found.note, found.checkpoint, [cosignature.cosigner(made["witness"])])
    assert (witness.name, witness.kind) == (PQ_WITNESS.name, COSIGNATURE_ML_DSA_44)


# --- proofs --------------------------------------------------------------------------------------


def inclusion(index: int, size: int, **other: Any) -> dict[str, Any]:
    proof = [one.hex() for one in merkle.inclusion_proof(index, size, subtree)]
    asked = {
        "leaf": mth(index, index + 1).hex(),
        "index": index,
        "size": size,
        "proof": proof,
        "root": mth(0, size).hex(),
    }
    return asked | other


def consistency(old: int, new: int, **other: Any) -> dict[str, Any]:
    proof = [one.hex() for one in merkle.consistency_proof(old, new, subtree)]
    asked = {"old": old, "old_root": mth(0, old).hex(), "new": new, "new_root": mth(0, new).hex(), "proof": proof}
    return asked | other


@pytest.mark.parametrize("judge", NAMES)
def test_they_accept_our_proofs(judges: Judges, judge: str) -> None:
    """Inclusion of every record, and consistency from every earlier size, for each size."""
    questions = [inclusion(index, size) | {"ask": f"{judge}.inclusion"} for size in SIZES for index in range(size)]
    questions += [consistency(old, new) | {"ask": f"{judge}.consistency"} for new in SIZES for old in range(new + 1)]
    assert len(questions) > 3200
    assert set(judges.ask(questions)) == {OK}


@pytest.mark.parametrize("judge", NAMES)
def test_they_refuse_what_we_refuse(judges: Judges, judge: str) -> None:
    other = mth(0, 299).hex()
    questions = [inclusion(7, 300, **{field: other}) | {"ask": f"{judge}.inclusion"} for field in ("leaf", "root")]
    questions += [inclusion(7, 300, proof=[]) | {"ask": f"{judge}.inclusion"}]
    questions += [
        consistency(7, 300, **{field: other}) | {"ask": f"{judge}.consistency"} for field in ("old_root", "new_root")
    ]
    questions += [consistency(7, 300, proof=[]) | {"ask": f"{judge}.consistency"}]
    assert OK not in judges.ask(questions)


def test_their_tree_is_our_tree(judges: Judges) -> None:
    """aics-tlog builds roots and proofs itself; ours are the same."""
    for size in (1, 2, 7, 257, 300):
        pairs = [[old, size] for old in range(1, size + 1)]
        entries = [entry(number).hex() for number in range(size)]
        (theirs,) = judges.ask([{"ask": "aics.tree", "entries": entries, "pairs": pairs}])
        assert theirs["root"] == merkle.root(size, subtree).hex()
        assert theirs["inclusion"] == [inclusion(index, size)["proof"] for index in range(size)]
        assert theirs["consistency"] == [consistency(old, size)["proof"] for old, _ in pairs]


# --- copies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 256, 700])
def test_they_accept_our_copies(judges: Judges, size: int, tmp_path: Path) -> None:
    """Every tile and bundle at its path, below a checkpoint cosigned with both kinds."""
    copy = write_copy(tmp_path, size)
    assert judges.copy(copy, ORIGIN, str(LOG), [str(WITNESS), str(PQ_WITNESS)]) == {"aics": OK, "scales": OK}


def test_they_see_that_a_copy_grew_and_that_it_did_not(judges: Judges, tmp_path: Path) -> None:
    copy = write_copy(tmp_path, 700)
    for older in (1, 256, 300, 699, 700):
        assert judges.grown(copy, notes.render(cosigned(older))) == {"aics": OK, "scales": OK}
    fork = Checkpoint(ORIGIN, 300, mth(1, 301))
    said = judges.grown(copy, notes.render(checkpoints.sign(fork, ED.sign, LOG)))
    assert OK not in said.values()


def test_they_refuse_a_damaged_copy(judges: Judges, tmp_path: Path) -> None:
    """One bit in any file of it."""
    whole = write_copy(tmp_path / "whole", 300)
    for file in sorted(path for path in whole.rglob("*") if path.is_file()):
        copy = tmp_path / "damaged"
        shutil.copytree(whole, copy)
        data = bytearray(file.read_bytes())
        data[data.index(b"\n300\n") + 2 if file.name == "checkpoint" else len(data) // 2] ^= 1
        (copy / file.relative_to(whole)).write_bytes(data)
        said = judges.copy(copy, ORIGIN, str(LOG), [str(WITNESS), str(PQ_WITNESS)])
        assert said["aics"] != OK, file
        assert said["scales"] != OK, file
        shutil.rmtree(copy)


def test_the_checkpoint_of_another_size(judges: Judges, tmp_path: Path) -> None:
    said = judges.copy(write_copy(tmp_path, 257, signed=300), ORIGIN, str(LOG))
    assert OK not in said.values()


def test_their_tiles_are_our_tiles(judges: Judges, tmp_path: Path) -> None:
    """Path by path and byte by byte; aics-tlog writes all of a log itself."""
    for size in (1, 255, 256, 700):
        ours, theirs = write_copy(tmp_path / f"ours-{size}", size), tmp_path / f"theirs-{size}"
        entries = [entry(number).hex() for number in range(size)]
        (paths,) = judges.ask([{"ask": "aics.tiles", "folder": str(theirs), "entries": entries}])
        assert {tile.path for tile in (*tiles.tiles_of(size), *tiles.bundles_of(size))} == set(paths)
        assert all((ours / path).read_bytes() == (theirs / path).read_bytes() for path in paths)
