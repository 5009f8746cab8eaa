"""When something that changes slowly is looked at again."""

from __future__ import annotations


def is_due(iteration: int, last: int, *, share: int, most: int) -> bool:
    """Whether it is time: after a `share`th of the iterations so far, and after `most` anyway.

    An iteration that was looked at `last` is looked at again where it begins anew.
    """
    return iteration == last or iteration - last >= min(iteration // share, most)
