"""`gradlab rules`: every rule in one line."""

from __future__ import annotations

from gradlab.cli import output

GROUP = "Judge"
EXAMPLES = (
    ("gradlab rules", "every rule"),
    ("gradlab rule GL101", "one of them, with its limits"),
)


def rules() -> int:
    """List every rule: code, name and what it finds."""
    from gradlab.diagnosis import registry

    for code, rule in registry().items():
        output.say(f"{code}  {rule.name:<22} {rule.summary}")
    output.say("\ngradlab rule CODE explains one of them.")
    return 0
