"""``appliance oversight witness`` and ``deliver``: co-sign the log's newest head, once or for ever."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from appliance import hardening
from appliance.commandline import visible
from appliance.hubkit.client import Client
from appliance.hubkit.errors import AnswerTimeout, ConnectionLost, DaemonUnreachable, Refused
from appliance.oversight import files
from appliance.oversight.commands import options
from appliance.oversight.copy import Copy, head_of
from appliance.oversight.errors import CosignatureRefused, FolderUnusable, OutputExists, PieceMissing
from appliance.oversight.source import LARGEST_NOTE, Source
from appliance.oversight.witness import keys, passphrase
from appliance.oversight.witness.rounds import Cosigned, Witness
from appliance.oversight.witness.state import WitnessState
from appliance.progress import bar

_HELP = """Verify what the log has added since the last time, and co-sign its newest checkpoint.

It verifies the ledger from the trust anchor, the checkpoint's signature by a log key of that ledger, that the tree
goes on from the one co-signed last, and every new record. The new head is remembered before it is signed. Two heads
that disagree are never both signed: the second raises an alarm (exit code 1), keeps both signed notes as evidence
in the state folder, and from then on nothing is signed until a person removes the alarm.

\b
appliance oversight witness --keys witness-keys --state witness-state --anchor HEX \\
    --socket run/oversight.sock --follow 600
appliance oversight witness --keys witness-keys --state witness-state --anchor HEX \\
    --copy copy --output cosigned.note
"""

_DELIVER_HELP = """Hand in a checkpoint that was co-signed from a copy (witness --copy).

\b
appliance oversight deliver cosigned.note --socket run/oversight.sock
"""


@dataclass(frozen=True)
class _Asked:
    """The options of ``witness``."""

    key_folder: Path
    state_folder: Path
    anchor: str
    socket_path: Path | None
    copy_folder: Path | None
    output: Path | None
    follow: float | None
    entries: bool
    begin: bool
    passphrase_file: Path | None
    as_json: bool

    def require_one_source(self) -> None:
        if (self.socket_path is None) == (self.copy_folder is None):
            raise click.UsageError("give either --socket or --copy")
        if (self.copy_folder is None) != (self.output is None):
            raise click.UsageError("--copy and --output go together")
        if self.copy_folder is not None and self.follow is not None:
            raise click.UsageError("--follow needs --socket: a copy does not grow by itself")
        if self.output is not None and os.path.lexists(self.output):
            raise OutputExists(f"{self.output}: exists already; nothing was signed", "name another file")

    def witness(self) -> Witness:
        loaded = keys.load(self.key_folder, lambda: passphrase.given(self.passphrase_file, self.key_folder))
        return Witness(loaded, WitnessState(self.state_folder), self.anchor, entries=self.entries, begin=self.begin)


@click.command("witness", help=_HELP)
@click.option(
    "--keys", "key_folder", type=options.PATH, metavar="DIR", required=True, help="The witness's keys (init)."
)
@click.option(
    "--state", "state_folder", type=options.PATH, metavar="DIR", required=True, help="What the witness remembers."
)
@options.anchor()
@options.socket(required=False)
@click.option("--copy", "copy_folder", type=options.PATH, metavar="DIR", help="Instead of a socket: an exported copy.")
@click.option("--output", type=options.PATH, metavar="FILE", help="With --copy: where the co-signed checkpoint goes.")
@click.option("--follow", type=click.FloatRange(min=1), metavar="SECONDS", help="Look again every so many seconds.")
@click.option(
    "--entries/--no-entries", default=True, help="Read every record that is new, or only the tree (default: read)."
)
@click.option("--begin", is_flag=True, help="The first time: the state folder may be empty.")
@options.passphrase_file
@options.as_json
def witness_command(**given: Any) -> None:
    """Verify what the log has added since the last time, and co-sign its newest checkpoint."""
    asked = _Asked(**given)
    asked.require_one_source()
    hardening.forbid_reading()
    if asked.begin:
        files.make_folder(asked.state_folder, 0o700)
    with files.locked(asked.state_folder):
        witness = asked.witness()
        if asked.copy_folder is not None and asked.output is not None:
            _to_file(witness, Copy(asked.copy_folder), asked.output, asked.as_json)
        elif asked.socket_path is not None:
            _to_socket(witness, asked.socket_path, asked.follow, asked.as_json)


def _to_file(witness: Witness, copy: Copy, output: Path, as_json: bool) -> None:
    done = _look(witness, copy)
    files.create(output, done.note)
    click.echo(
        _as_json(done, file=str(output))
        if as_json
        else _as_text(done, f"in {output}; hand it in with `appliance oversight deliver`")
    )


def _to_socket(witness: Witness, path: Path, follow: float | None, as_json: bool) -> None:
    with options.connected(path) as (client, remote), _ending() as ended:
        while not ended.is_set():
            _round(witness, client, remote, follow, as_json)
            if follow is None or ended.wait(follow):
                return


def _round(witness: Witness, client: Client, source: Source, follow: float | None, as_json: bool) -> None:
    """One look, handed in. While following, a daemon that does not answer now is asked again later."""
    try:
        done = _look(witness, source)
        accepted = hand_in(client, done.note)
    except (DaemonUnreachable, ConnectionLost, AnswerTimeout, Refused) as error:
        if follow is None or not _may_pass(error):
            raise
        click.echo(f"no answer: {visible(error.message)}; trying again in {follow:g} s", err=True)
        return
    names = visible(", ".join(accepted))
    click.echo(_as_json(done, accepted=accepted) if as_json else _as_text(done, f"accepted: {names}"))


def _may_pass(error: Exception) -> bool:
    return not isinstance(error, Refused) or error.status >= 500 or error.status == 429


def _look(witness: Witness, source: Source) -> Cosigned:
    with bar("reading", "records") as show:
        return witness.look(source, show)


def hand_in(client: Client, note: bytes) -> tuple[str, ...]:
    """Hand a co-signed checkpoint in; whose cosignatures were accepted.

    Raises:
        CosignatureRefused: none was, or for another size.
        Refused: the daemon refuses them.
    """
    size, accepted = client.cosign(note)
    handed = head_of(note, "what was handed in").size
    if size != handed or not accepted:
        raise CosignatureRefused(
            f"handed in for size {handed}; the daemon accepted {list(accepted)} for size {size}",
            "are the witness's keys in the ledger's policy, [log] witnesses?",
        )
    return accepted


def _as_json(done: Cosigned, **more: object) -> str:
    checkpoint = done.checkpoint
    said = {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "before": done.before,
        "read": done.read,
        "time": options.instant(done.time),
        "rehearsal": done.rehearsal,
    }
    return json.dumps({**said, **more})


def _as_text(done: Cosigned, where: str) -> str:
    rehearsal = " REHEARSAL;" if done.rehearsal else ""
    return (
        f"{options.instant(done.time)}{rehearsal} size {done.checkpoint.size} "
        f"({done.checkpoint.size - done.before} new, {done.read} read), "
        f"root {done.checkpoint.root.hex()}; co-signed, {where}"
    )


@contextmanager
def _ending() -> Iterator[threading.Event]:
    """Set by SIGTERM or Ctrl-C; a look that is under way is finished first."""
    ended = threading.Event()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield ended
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@click.command("deliver", help=_DELIVER_HELP)
@click.argument("file", type=options.PATH)
@options.socket()
@options.as_json
def deliver_command(file: Path, socket_path: Path, as_json: bool) -> None:
    """Hand in a checkpoint that was co-signed from a copy (witness --copy)."""
    try:
        note = files.read(file, LARGEST_NOTE)
    except PieceMissing as error:
        raise FolderUnusable(error.message, "name the file that `witness --copy … --output` wrote") from None
    size = head_of(note, str(file)).size
    with options.connected(socket_path) as (client, _):
        accepted = hand_in(client, note)
    said = {"size": size, "accepted": accepted}
    click.echo(json.dumps(said) if as_json else visible(f"accepted for size {size}: {', '.join(accepted)}"))
