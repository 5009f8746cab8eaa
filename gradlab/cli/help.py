"""How `--help` is written: at the terminal's width, options and commands in groups."""

from __future__ import annotations

from collections.abc import Iterable

from typer.core import TyperCommand, TyperGroup


class Command(TyperCommand):
    """A command whose help lists its options in groups."""

    def format_options(self, ctx, formatter) -> None:
        """Write a section for each group; options without one stand under "Options"."""
        entries = [
            (
                getattr(each, "rich_help_panel", None) or _usual_group(each),
                each.get_help_record(ctx),
            )
            for each in self.get_params(ctx)
        ]
        _write_sections(formatter, [(group, row) for group, row in entries if row is not None])


class Group(TyperGroup):
    """The whole application: its help lists the commands in groups."""

    def format_commands(self, ctx, formatter) -> None:
        """Write a section for each group of commands."""
        found = [self.get_command(ctx, name) for name in self.list_commands(ctx)]
        shown = [each for each in found if each is not None and not each.hidden]
        room = formatter.width - 6 - max(len(str(each.name)) for each in shown)
        entries = [
            (
                str(getattr(each, "rich_help_panel", "")),
                (str(each.name), each.get_short_help_str(room)),
            )
            for each in shown
        ]
        _write_sections(formatter, entries)

    def list_commands(self, ctx) -> list[str]:
        """Return the commands in the order in which they were registered."""
        return list(self.commands)


def _usual_group(parameter) -> str:
    return "Arguments" if parameter.param_type_name == "argument" else "Options"


def _write_sections(formatter, entries: Iterable[tuple[str, tuple[str, str]]]) -> None:
    sections: dict[str, list[tuple[str, str]]] = {}
    for group, row in entries:
        sections.setdefault(group, []).append(row)
    for group, rows in sections.items():
        with formatter.section(group):
            formatter.write_dl(rows)
