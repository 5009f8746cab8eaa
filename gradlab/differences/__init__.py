"""`diff(a, b)`: where two records part, what differs in their configuration, and their verdicts."""

from gradlab.differences.difference import Difference, diff

__all__ = ["Difference", "diff"]
