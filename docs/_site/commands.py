"""The reference of commands, from the options that the program itself reads."""

from __future__ import annotations

from pathlib import Path

import typer

from gradlab.cli.application import GROUPS, application

WIDTH = 100
INTRODUCTION = """# Commands

`gradlab COMMAND --help` prints what stands here. `gradlab --install-completion` sets up the tab
key. Exit codes: 0 fine, 1 a finding at the level of `--fail-on` (`gradlab check`), 2 a mistake of
usage or an internal error, 130 interrupted. Colours appear on a terminal only, and never where
`NO_COLOR` is set.
"""


def pages(folder: Path) -> dict[str, str]:
    """Return the page of all commands."""
    group = typer.main.get_command(application())
    parts = [INTRODUCTION]
    for heading in GROUPS:
        for name, command in group.commands.items():
            if command.rich_help_panel == heading:
                parts += [f"## gradlab {name}\n", f"```text\n{_help(name, command)}\n```\n"]
    return {"commands.md": "\n".join(parts)}


def _help(name: str, command) -> str:
    context = typer.Context(command, info_name=f"gradlab {name}", max_content_width=WIDTH)
    context.terminal_width = WIDTH
    return command.get_help(context).rstrip()
