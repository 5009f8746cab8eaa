"""A run seen while it grows: a line at a finding, and views in terminal, browser and notebook.

gradlab.live.show("runs/mine")  # in a notebook, before the cell that trains
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradlab.live.judging import FINDING_WORDS, Lookout, lookout, quiet

if TYPE_CHECKING:
    from gradlab.live.notebook import LiveView as LiveView
    from gradlab.live.notebook import show as show

__all__ = ["FINDING_WORDS", "LiveView", "Lookout", "lookout", "quiet", "show"]


def __getattr__(name: str) -> Any:
    """Load the view when it is asked for: whoever trains needs nothing of it."""
    if name in ("LiveView", "show"):
        from gradlab.live import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module 'gradlab.live' has no attribute {name!r}")
