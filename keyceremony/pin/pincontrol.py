"""Dual control of a token's PIN, in the order that loses nothing: shares safe, put together as a check, then the PIN.

Only a token that said no lets the share files be removed again. One that was lost in between may have either PIN,
so the shares stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from appliance.durable import sync_folder
from appliance.errors import KagimoriError
from appliance.token.errors import PinWrong, TokenError, TokenUnavailable
from appliance.token.pins import PinSetter
from appliance.token.token import Token
from keyceremony import workspace
from keyceremony.errors import FileProblem, PinUncertain, PinUnchanged, ShareRefused
from keyceremony.pin import pinshares, pinterminal
from keyceremony.pin.pinshares import Share
from keyceremony.signals import undisturbed


def path_of(folder: Path, officer: str) -> Path:
    """The file of an officer's share."""
    return folder / f"{officer}.share"


def require_room(folder: Path, officers: Sequence[str]) -> None:
    """Refuse what could not be written, before anybody is asked for a PIN.

    Raises:
        FileProblem: there is no such folder.
        OutputExists: a file of that name is there.
    """
    if not folder.is_dir():
        raise FileProblem(f"{folder}: no such folder", "make it first, open to you alone (mode 0700)")
    for officer in officers:
        workspace.check_absent(path_of(folder, officer))


def split(setter: PinSetter, secret: bytes, shares: Sequence[Share], folder: Path | None) -> None:
    """Hand out the shares, as files or at the terminal, then make the secret's PIN the token's.

    Raises:
        OutputExists, FileProblem: a share could not be written; no file is left, and the PIN is unchanged.
        PinUnchanged: the token refused the new PIN; no share file is left.
        PinUncertain: the token was lost meanwhile; the shares are kept.
    """
    if folder is None:
        pinterminal.deal(shares)
    with undisturbed():  # Ctrl-C must not part the shares from the PIN
        written: list[Path] = []
        try:
            held = shares if folder is None else _through_files(shares, folder, written)
            pinshares.require_secret(held, secret)
            setter.set(pinshares.pin_of(secret))
        except TokenUnavailable as error:
            raise _uncertain(error) from None
        except Exception as error:
            for path in written:
                path.unlink()
            if isinstance(error, TokenError | ShareRefused):
                raise _unchanged(error, bool(written)) from None
            raise


def _through_files(shares: Sequence[Share], folder: Path, written: list[Path]) -> list[Share]:
    """The shares as read back from their files, which are durable by then; ``written`` notes each as it is made."""
    for share in shares:
        path = path_of(folder, share.officer)
        workspace.create(path, pinshares.render(share), 0o400)
        written.append(path)
    sync_folder(folder)
    return [pinshares.parse(workspace.read(path)) for path in written]


def prove(module: Path, *, label: str, serial: str, secret: bytes) -> None:
    """Log in once with the new PIN.

    Raises:
        PinUncertain: that failed.
    """
    try:
        Token.open(module, label=label, serial=serial, pin=pinshares.pin_of(secret)).close()
    except TokenError as error:
        raise _uncertain(error) from None


def _uncertain(error: KagimoriError) -> PinUncertain:
    return PinUncertain(
        f"{error.message}; WHICH PIN THE TOKEN HAS NOW IS NOT CERTAIN; the shares are kept",
        "keep the old PIN and the shares; keyceremony pin join --token tells whether the shares' PIN is the token's",
    )


def _unchanged(error: KagimoriError, files: bool) -> PinUnchanged:
    fate = "the share files were removed again" if files else "what was written down is worth nothing: destroy it"
    return PinUnchanged(f"{error.message}; the PIN the token had still holds, and {fate}", error.hint)


def from_files(paths: Sequence[Path]) -> list[Share]:
    """The shares in these files.

    Raises:
        FileProblem: one cannot be read.
        ShareRefused: one is not a share, or they are not for one token.
    """
    shares = [_from_file(path) for path in paths]
    if len({(share.token, share.serial, share.threshold, share.count) for share in shares}) > 1:
        kinds = sorted({f"token {s.token} serial {s.serial}, {s.threshold} of {s.count}" for s in shares})
        raise ShareRefused(f"shares of different splits are mixed: {'; '.join(kinds)}", "take those of one split alone")
    return shares


def _from_file(path: Path) -> Share:
    try:
        return pinshares.parse(workspace.read(path))
    except ShareRefused as refused:
        raise ShareRefused(f"{path}: {refused.message}", refused.hint) from None


def require_right(module: Path, *, label: str | None, serial: str | None, pin: str) -> None:
    """The token takes this PIN, which the shares made; tried once.

    Raises:
        ShareRefused: it does not.
        TokenError: it could not be tried.
    """
    try:
        Token.open(module, label=label, serial=serial, pin=pin).close()
    except PinWrong:
        raise ShareRefused(
            f"token {label or serial} refused the PIN of these shares; it was tried once, and nothing is written",
            "are they of the last split of this token?",
        ) from None
    finally:
        pin = ""


def write_pin(path: Path, pin: str) -> None:
    """The PIN in a new file that its owner alone can read, durable.

    Raises:
        OutputExists, FileProblem: nothing is left there.
    """
    workspace.create(path, f"{pin}\n".encode("ascii"), 0o400)
    sync_folder(path.parent)
