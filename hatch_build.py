"""Puts the course's experiments into the wheel; an editable install finds them where they are."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COURSE = {"experiments": "gradlab/course/experiments"}


class CourseHook(BuildHookInterface):
    """Adds `experiments/` to a wheel that is meant to be installed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Hatchling calls this with "standard" or "editable" before it builds."""
        if version == "standard":
            build_data["force_include"].update(COURSE)
