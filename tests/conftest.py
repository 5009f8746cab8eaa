"""Tests that are known to fail: listed in known_failures.txt, one a line, until they are mended."""

from pathlib import Path

import pytest

LISTED = Path(__file__).with_name("known_failures.txt").read_text(encoding="utf-8").splitlines()
KNOWN = {line for line in LISTED if line and not line.startswith("#")}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is listed, by its name, with its parameters or without, or by its file."""
    for item in items:
        whole = f"{item.path.relative_to(Path(__file__).parents[1]).as_posix()}::{item.name}"
        if {whole, whole.partition("[")[0], whole.partition("::")[0]} & KNOWN:
            reason = "known to fail; see tests/known_failures.txt"
            item.add_marker(pytest.mark.xfail(reason=reason, strict=False))
