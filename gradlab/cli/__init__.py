"""The command line: one file a command."""

from gradlab.cli.commands import run

__all__ = [
    "run",
]
