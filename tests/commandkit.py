"""A command line's commands, loaded as they are when somebody calls them (`appliance.commandline.Commands`)."""

from __future__ import annotations

import click


def command_of(group: click.Command, name: str) -> click.Command:
    """One command of a group, which must be there."""
    assert isinstance(group, click.Group)
    command = group.get_command(click.Context(group), name)
    assert command is not None, name
    return command


def commands_of(group: click.Command) -> dict[str, click.Command]:
    """All commands of a group, by name."""
    assert isinstance(group, click.Group)
    commands = {name: command_of(group, name) for name in group.list_commands(click.Context(group))}
    assert commands
    return commands
