"""The pictures of a report: one file each, found by listing this folder.

A file that holds `PICTURES` draws these, most of them one. It first collects what is to be shown in
a typed info object (`collect`), then draws it (`draw`); tests check the info. `draw` and `series`
are shared.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil

from gradlab.report.pictures.picture import Picture

__all__ = ["pictures"]


@functools.cache
def pictures() -> dict[str, Picture]:
    """Return every picture by its key, in the order of the page."""
    found: list[Picture] = []
    for module in pkgutil.iter_modules(__path__):
        found += getattr(importlib.import_module(f"{__name__}.{module.name}"), "PICTURES", ())
    return {each.key: each for each in sorted(found, key=lambda each: each.order)}
