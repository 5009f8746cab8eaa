"""One file a command, found by listing this folder.

A file `NAME.py` holds `GROUP`, one of `gradlab.cli.application.GROUPS`, a function `NAME` that
takes the command's options and returns its exit code, and `EXAMPLES` for its help: pairs of what to
type and what it is for.
"""
