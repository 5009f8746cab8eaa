"""Lets this distribution need gradlab-diagnostics of its own version."""

from __future__ import annotations

from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class SameVersion(MetadataHookInterface):
    """Fills in `dependencies`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Hatchling calls this once the version is known."""
        metadata["dependencies"] = [f"gradlab-diagnostics=={metadata['version']}", "pytest>=9"]
