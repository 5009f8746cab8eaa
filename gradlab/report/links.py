"""Where a page leads: addresses that a browser follows, and none that it runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from gradlab.errors import ArgumentError, shown
from gradlab.kinds import TEXT

FOLLOWED = ("http", "https", "file", "mailto")
_IGNORED = re.compile(r"[\x00-\x20\x7f]")  # by browsers, wherever in a scheme they stand
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)


def checked(links: Any) -> list[tuple[str, str]]:
    """Return pairs of (label, address) whose addresses are paths, or of a scheme in FOLLOWED.

    Raises
    ------
    ArgumentError
        They are no pairs of texts, or an address has another scheme, such as `javascript:`.
    """
    if isinstance(links, str) or not isinstance(links, Sequence):
        raise ArgumentError(f"links={shown(links)} must be a list of (label, address)")
    return [_checked(f"links[{number}]", link) for number, link in enumerate(links)]


def _checked(argument: str, link: Any) -> tuple[str, str]:
    is_pair = isinstance(link, (tuple, list)) and len(link) == 2
    if not is_pair or not all(map(TEXT.fits, link)):
        raise ArgumentError(f"{argument}={shown(link)} must be (label, address), both texts")
    label, address = link
    scheme = _SCHEME.match(_IGNORED.sub("", address))
    if scheme is not None and scheme[1].lower() not in FOLLOWED:
        raise ArgumentError(
            f"{argument} leads to {shown(address)}; give a path, or an address of "
            f"{', '.join(FOLLOWED)}"
        )
    return label, address
