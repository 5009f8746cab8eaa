"""How `--help` is written: at the terminal's width, options and commands in groups, examples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from typer.core import TyperCommand, TyperGroup

OTHERS = "Options"
"""The group of options that name none."""


class Command(TyperCommand):
    """A command whose help lists its options in groups, and examples."""

    examples: ClassVar[tuple[tuple[str, str], ...]] = ()
    """What to type, and what it is for."""

    def collect_usage_pieces(self, ctx) -> list[str]:
        """Return what stands behind the command's name: its arguments as they are documented."""
        arguments = [each for each in self.get_params(ctx) if _is_argument(each)]
        return ["[OPTIONS]", *(str(each.metavar or each.name) for each in arguments)]

    def format_options(self, ctx, formatter) -> None:
        """Write a section for each group; options without one stand under "Options", last."""
        entries = [
            (getattr(each, "rich_help_panel", None) or _usual_group(each), _row(each, ctx))
            for each in self.get_params(ctx)
        ]
        known = [(group, row) for group, row in entries if row is not None]
        known.sort(key=lambda entry: entry[0] == OTHERS)  # --help comes last
        _write_sections(formatter, known)

    def format_epilog(self, ctx, formatter) -> None:
        """Write the examples."""
        if not self.examples:
            return
        room = formatter.width - 4  # two on the left, two between the columns
        typed, purposes = (max(map(len, column)) for column in zip(*self.examples, strict=True))
        with formatter.section("Examples"):
            for example, purpose in self.examples:
                if typed + purposes <= room:
                    formatter.write(f"  {example:<{typed}}  {purpose}\n")
                else:  # never broken, so that it can be copied
                    formatter.write(f"  {example}\n      {purpose}\n")


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


def _is_argument(parameter) -> bool:
    return parameter.param_type_name == "argument"


def _usual_group(parameter) -> str:
    return "Arguments" if _is_argument(parameter) else OTHERS


def _row(parameter, ctx) -> tuple[str, str] | None:
    """Return a parameter's two columns; an argument's name is what it is documented as."""
    row = parameter.get_help_record(ctx)
    if row is None or not _is_argument(parameter):
        return row
    return str(parameter.metavar or parameter.name), parameter.help or ""


def _write_sections(formatter, entries: Iterable[tuple[str, tuple[str, str]]]) -> None:
    sections: dict[str, list[tuple[str, str]]] = {}
    for group, row in entries:
        sections.setdefault(group, []).append(row)
    for group, rows in sections.items():
        with formatter.section(group):
            formatter.write_dl(rows)
