"""The command line: `commands/` holds one file a command, and a new file there is a new command."""

from gradlab.cli.application import run

__all__ = [
    "run",
]
