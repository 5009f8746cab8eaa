"""`gradlab rule`: one rule explained."""

from __future__ import annotations

from typing import Annotated

import typer

from gradlab.cli import output

GROUP = "Judge"


def rule(
    code: Annotated[str, typer.Argument(metavar="CODE", help="The rule's code, such as GL101.")],
) -> int:
    """Explain one rule.

    What it does, why that is bad, what to try, and its limits in force.
    """
    from gradlab.diagnosis import project

    output.say(project.nearest().rule(code).explanation())
    return 0
