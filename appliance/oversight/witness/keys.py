"""The two keys of a witness: Ed25519, and ML-DSA-44 (FIPS 204) for the time after quantum computers.

``DIR/ed25519.pem`` and ``DIR/ml-dsa-44.pem`` are private, mode 0600; ``DIR/vkeys`` holds their public halves as C2SP
verifier keys, one a line: what the ledger's policy gets to know.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from appliance.oversight import files
from appliance.oversight.errors import KeyUnusable, OutputExists, OversightError
from appliance.oversight.witness import sealing
from appliance.oversight.witness.sealing import PrivateKey
from appliance.tlog import cosignature
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.errors import VerifierKeyInvalid
from appliance.tlog.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, Signature, VerifierKey

ED25519_FILE, ML_DSA_44_FILE, VKEYS_FILE = "ed25519.pem", "ml-dsa-44.pem", "vkeys"
_LARGEST = 64 * 1024  # bytes of any of the three


@dataclass(frozen=True)
class WitnessKeys:
    """A witness's name and its two private keys."""

    name: str
    ed25519: Ed25519PrivateKey
    ml_dsa_44: MLDSA44PrivateKey

    @property
    def vkeys(self) -> tuple[VerifierKey, VerifierKey]:
        """What verifies their cosignatures."""
        return (
            VerifierKey(self.name, COSIGNATURE_ED25519, self.ed25519.public_key().public_bytes_raw()),
            VerifierKey(self.name, COSIGNATURE_ML_DSA_44, self.ml_dsa_44.public_key().public_bytes_raw()),
        )

    def cosign(self, checkpoint: Checkpoint, time: int) -> tuple[Signature, Signature]:
        """Both cosignatures, each verified as soon as it is made; ``time``: seconds since 1970."""
        return (
            cosignature.sign_ed25519(self.ed25519, self.name, checkpoint, time),
            cosignature.sign_ml_dsa_44(self.ml_dsa_44, self.name, checkpoint, time),
        )


def make(folder: Path, name: str, passphrase: str | None) -> WitnessKeys:
    """Make both keys in a folder that has none; it is made if it is not there.

    Raises:
        OutputExists: one of the three files is there; nothing was written.
        KeyUnusable: a witness cannot be called so.
        FolderUnusable: they cannot be written; none of them is left.
    """
    made = WitnessKeys(name, Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate())
    try:
        lines = "".join(f"{vkey}\n" for vkey in made.vkeys)
    except VerifierKeyInvalid as error:
        raise KeyUnusable(f"name: {error.message}", "take one such as oversight.example/witness-1") from None
    files.make_folder(folder, 0o700)
    require_none(folder)
    contents = {
        ED25519_FILE: sealing.seal(made.ed25519, passphrase),
        ML_DSA_44_FILE: sealing.seal(made.ml_dsa_44, passphrase),
        VKEYS_FILE: lines.encode("utf-8"),
    }
    _create_all(folder, contents)
    return made


def load(folder: Path, passphrase: Callable[[], str]) -> WitnessKeys:
    """The keys in a folder; the passphrase is asked for only if a key is encrypted, and once.

    Raises:
        PieceMissing, FolderUnusable, KeyUnusable: a file is not there, open to others, or not what it must be.
        SecretRefused: no passphrase, or a wrong one.
    """
    texts = {name: _private(folder / name) for name in (ED25519_FILE, ML_DSA_44_FILE)}
    secret = passphrase() if any(sealing.ENCRYPTED in text for text in texts.values()) else None
    first, second = (
        sealing.unseal(str(folder / name), text, secret if sealing.ENCRYPTED in text else None)
        for name, text in texts.items()
    )
    return _matched(folder, first, second)


def _matched(folder: Path, first: PrivateKey, second: PrivateKey) -> WitnessKeys:
    """The keys under the name that stands beside them."""
    listed = files.read(folder / VKEYS_FILE, _LARGEST).decode("utf-8", "replace")
    name = listed.partition("+")[0]
    if isinstance(first, Ed25519PrivateKey) and isinstance(second, MLDSA44PrivateKey):
        loaded = WitnessKeys(name, first, second)
        try:
            if listed == "".join(f"{vkey}\n" for vkey in loaded.vkeys):
                return loaded
        except VerifierKeyInvalid:
            pass
    raise KeyUnusable(
        f"{folder}: {VKEYS_FILE} does not belong to the private keys beside it", "restore all three from your own copy"
    )


def _private(path: Path) -> bytes:
    text = files.read(path, _LARGEST)
    status = path.stat()
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise KeyUnusable(f"{path}: group or others can read or write it", f"chmod 600 {path}")
    if status.st_uid not in (os.geteuid(), 0):
        raise KeyUnusable(f"{path}: belongs to another user", "make it the user's who runs the witness")
    return text


def require_none(folder: Path) -> None:
    """Raises OutputExists if a file of a witness is there."""
    for name in (ED25519_FILE, ML_DSA_44_FILE, VKEYS_FILE):
        if os.path.lexists(folder / name):
            raise OutputExists(f"{folder / name}: exists already; nothing is overwritten", "name another folder")


def _create_all(folder: Path, contents: dict[str, bytes]) -> None:
    """All files, or none."""
    made: list[Path] = []
    try:
        for name, data in contents.items():
            files.create(folder / name, data, 0o644 if name == VKEYS_FILE else 0o600)
            made.append(folder / name)
    except OversightError:
        for path in made:
            path.unlink()
        raise
