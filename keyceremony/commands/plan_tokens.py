"""``keyceremony plan backup``, ``restore`` and ``drill``: drafting what is done with backup tokens."""

from __future__ import annotations

import click

from keyceremony.commands.drafts import Draft, drafting_options, example
from keyceremony.plans import changes

_label = click.option("--label", required=True, metavar="L", help="The label of the token.")
_serial = click.option("--serial", required=True, metavar="S", help="Its serial number.")
_source = click.option(
    "--from", "source", required=True, metavar="LABEL", help="The backup token with the copies (or its serial number)."
)


@click.group("backup")
def backup() -> None:
    """Draft the coming or going of a token that holds copies of keys."""


@backup.command(
    "enroll",
    epilog=example("keyceremony plan backup enroll --label vault-2 --serial 0123456789abcdef --copy-from vault-1"),
)
@_label
@_serial
@click.option("--copy-from", metavar="LABEL", help="A backup token whose copies it gets at once.")
@drafting_options
def enroll(label: str, serial: str, copy_from: str | None, draft: Draft) -> None:
    """Draft the enrolment of a backup token, initialised and empty.

    It makes a transport key (RSA) and an identity key of its own; the appliance's security officer (SO) marks the
    transport key as trusted, so that keys can be wrapped for it. Keys made from then on are copied to it. Those
    that are there already can only come from another backup token.
    """
    state = draft.state()
    action = changes.enroll_backup(state, label=label, serial=serial, copy_from=copy_from)
    draft.write(state, f"Enrol backup token {label}", action)


@backup.command("remove", epilog=example("keyceremony plan backup remove vault-1"))
@click.argument("label")
@click.option("--lost", is_flag=True, help="It is not at hand: nothing can be proven of its copies.")
@drafting_options
def remove(label: str, lost: bool, draft: Draft) -> None:
    """Draft the removal of backup token LABEL: its copies are removed, and looked for in vain."""
    state = draft.state()
    draft.write(state, f"Remove backup token {label}", changes.remove_backup(state, label, lost=lost))


@click.command(
    "restore", epilog=example("keyceremony plan restore --label kagimori-2 --serial 0123456789abcdef --from vault-1")
)
@_label
@_serial
@_source
@click.option(
    "--give-up",
    multiple=True,
    metavar="DOMAIN.N",
    help="A key that no backup token has: it is lost for ever. Repeatable.",
)
@click.option(
    "--lost-backup",
    "lost_backups",
    multiple=True,
    metavar="LABEL",
    help="A backup token that is lost as well; it leaves the ledger with this plan. Repeatable.",
)
@drafting_options
def restore(
    label: str, serial: str, source: str, give_up: tuple[str, ...], lost_backups: tuple[str, ...], draft: Draft
) -> None:
    """Draft recovery: a new, empty token takes the appliance token's place, with a backup token's copies.

    For a token that is lost or broken. The backup token must have a copy of every key; one that no backup token has
    must be given up by name, and the quorum agrees to that as well. Keys that signed the log go without being named:
    there never is a copy of them, and the plan after this one makes the next.
    """
    state = draft.state()
    named = {"give_up": give_up, "lost_backups": lost_backups}
    action = changes.restore(state, label=label, serial=serial, source=source, **named)
    draft.write(state, f"Restore to {label}", action)


@click.command(
    "drill", epilog=example("keyceremony plan drill --label scratch --serial 0123456789abcdef --from vault-1")
)
@_label
@_serial
@_source
@drafting_options
def drill(label: str, serial: str, source: str, draft: Draft) -> None:
    """Draft a rehearsal of recovery: a backup token's copies on a scratch token, compared, and removed again.

    The ledger records that it was done; status tells how long ago.
    """
    state = draft.state()
    draft.write(state, f"Drill with {source}", changes.drill(state, label=label, serial=serial, source=source))
