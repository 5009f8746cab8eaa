"""`gradlab kernels`: the machine code that multiplies matrices here."""

from __future__ import annotations

from gradlab.cli import output

GROUP = "Machine"
EXAMPLES = (("gradlab kernels", "what multiplies matrices here, and how fast"),)


def kernels() -> int:
    """Measure which kernels multiply matrices fastest here."""
    from gradlab.cli import kernels

    for line in kernels.summary():
        output.say(line)
    return 0
