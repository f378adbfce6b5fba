"""``keyceremony plan enroll-clone``, ``update-clone`` and ``remove-clone``: drafting what is done with clones."""

from __future__ import annotations

import click

from keyceremony.commands.drafts import Draft, drafting_options, example
from keyceremony.plans import changes

_source = click.option(
    "--from", "source", required=True, metavar="LABEL", help="The backup token with the copies (or its serial number)."
)


@click.command(
    "enroll-clone",
    epilog=example("keyceremony plan enroll-clone --label kagimori-b --serial 0123456789abcdef --from vault-1"),
)
@click.option("--label", required=True, metavar="L", help="The label of the token.")
@click.option("--serial", required=True, metavar="S", help="Its serial number.")
@_source
@click.option(
    "--log-name",
    metavar="NAME",
    help="The log of an appliance of its own ([audit] name there). Without it, the clone serves engines only.",
)
@drafting_options
def enroll(label: str, serial: str, source: str, log_name: str | None, draft: Draft) -> None:
    """Draft the enrolment of a clone: a further token, initialised and empty, that converts.

    It gets every key that can be copied from a backup token, sealed, so that they never leave it. For more engines of
    one appliance; or, with --log-name, for an appliance of its own, whose log is signed by a key made on the clone.
    A key cannot be activated while a clone lacks it: keyceremony plan update-clone brings it there first.
    """
    state = draft.state()
    action = changes.enroll_clone(state, label=label, serial=serial, source=source, log_name=log_name)
    draft.write(state, f"Enrol clone {label}", action)


@click.command("update-clone", epilog=example("keyceremony plan update-clone kagimori-b --from vault-1"))
@click.argument("label")
@_source
@drafting_options
def update(label: str, source: str, draft: Draft) -> None:
    """Draft bringing clone LABEL the keys that it lacks, from a backup token's copies.

    After new keys were made, and before they are activated.
    """
    state = draft.state()
    draft.write(state, f"Update clone {label}", changes.update_clone(state, label, source=source))


@click.command("remove-clone", epilog=example("keyceremony plan remove-clone kagimori-b"))
@click.argument("label")
@click.option("--lost", is_flag=True, help="It is not at hand: nothing can be proven of its keys.")
@drafting_options
def remove(label: str, lost: bool, draft: Draft) -> None:
    """Draft the removal of clone LABEL: its keys are removed, and looked for in vain.

    What its log key has signed stays valid. A lost clone converts for whoever has its PIN: rotate what was on it.
    """
    state = draft.state()
    draft.write(state, f"Remove clone {label}", changes.remove_clone(state, label, lost=lost))
