"""`gradlab rule`: one rule explained."""

from __future__ import annotations

from typing import Annotated

import typer

from gradlab.cli import completion, output

GROUP = "Judge"
EXAMPLES = (
    ("gradlab rule GL101", "by its code"),
    ("gradlab rule vanishing-gradient", "by its name"),
)


def rule(
    code: Annotated[
        str,
        typer.Argument(
            metavar="CODE",
            autocompletion=completion.beginning(completion.codes),
            help="The rule's code, such as GL101, or its name.",
        ),
    ],
) -> int:
    """Explain one rule.

    What it does, why that is bad, what to try, and its limits in force.
    """
    from gradlab.diagnosis import project, registry

    named = {rule.name: known for known, rule in registry().items()}
    output.say(project.nearest().rule(named.get(code.lower(), code)).explanation())
    return 0
