"""A run seen while it grows: one line at a finding, and views in terminal, browser and notebook."""

from gradlab.live.judging import FINDING_WORDS, Lookout, lookout

__all__ = ["FINDING_WORDS", "Lookout", "lookout"]
