"""A run in the terminal while it grows: loss, numbers, gradients as bars, and findings."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from gradlab.display import Bar
from gradlab.errors import one_sentence
from gradlab.live.frame import Frame

COLOURS = {"error": "red", "warning": "yellow", "healthy": "green"}
STATES = {"recording": "green", "silent": "yellow", "killed": "red", "ended": "cyan"}
EIGHTHS = " ▁▂▃▄▅▆▇█"
HEIGHT = 6  # lines of the loss
MOST_BARS = 16
FINDINGS = 4
NAME, VALUE = 24, 9  # characters
SOME_WAY, FAR = 2.0, 3.0  # powers of ten


def picture(frame: Frame, width: int = 80) -> RenderableType:
    """Return what the terminal shows of a frame, `width` columns wide.

    Names come from anybody's record: characters that command a terminal are shown, not obeyed.
    """
    return Group(*(part for part in _parts(_harmless(frame), width) if part is not None))


def _harmless(frame: Frame) -> Frame:
    return replace(
        frame,
        name=one_sentence(frame.name),
        folder=one_sentence(frame.folder),
        status=one_sentence(frame.status),
        verdict=one_sentence(frame.verdict),
        bars=tuple(replace(bar, name=one_sentence(bar.name)) for bar in frame.bars),
        findings=tuple(
            replace(
                told,
                name=one_sentence(told.name),
                message=one_sentence(told.message),
                remedy=one_sentence(told.remedy),
            )
            for told in frame.findings
        ),
    )


def _parts(frame: Frame, width: int) -> list[RenderableType | None]:
    return [
        _head(frame),
        _counts(frame),
        Rule(style="dim"),
        _loss(frame, width),
        _bars(frame, width),
        Rule(style="dim"),
        *_findings(frame),
    ]


def _head(frame: Frame) -> Text:
    state = frame.status if frame.state == "ended" else frame.state
    head = Text(frame.name, "bold")
    head.append(f"  {state}", STATES[frame.state])
    head.append(f"  {frame.folder}", "dim")
    return head


def _counts(frame: Frame) -> Text:
    said = [f"iteration {frame.iterations:,}"]
    if frame.seconds is not None:
        said.append(f"{duration(frame.seconds)} a step")
    said += [f"{label} {number(value)}" for label, value in frame.numbers]
    if frame.seeds > 1:
        said.append(f"{frame.seeds} seeds (median)")
    return Text("  ·  ".join(said))


def _loss(frame: Frame, width: int) -> RenderableType | None:
    """Draw the loss as columns of eighths, its largest and smallest value beside them."""
    finite = [(time, value) for time, value in frame.losses if math.isfinite(value)]
    if len(finite) < 2:
        return None
    room = max(10, width - VALUE - 3)
    columns = _means([value for _, value in finite], room)
    low, high = min(columns), max(columns)
    lines = column_lines(columns, HEIGHT)
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", width=VALUE)
    table.add_column(no_wrap=True)
    for k, line in enumerate(lines):
        label = number(high) if k == 0 else number(low) if k == HEIGHT - 1 else ""
        table.add_row(Text(label, "dim"), Text(line, "blue"))
    first, last = finite[0][0], finite[-1][0]
    axis = f"iteration {first:,}".ljust(max(0, len(columns) - len(f"{last:,}"))) + f"{last:,}"
    table.add_row("loss", Text(axis, "dim"))
    return table


def _means(values: Sequence[float], room: int) -> list[float]:
    """Return at most `room` means of neighbours."""
    if len(values) <= room:
        return list(values)
    edges = [round(k * len(values) / room) for k in range(room + 1)]
    parts = [values[first:stop] for first, stop in itertools.pairwise(edges)]
    return [sum(part) / len(part) for part in parts]


def column_lines(values: Sequence[float], height: int) -> list[str]:
    """Draw a column for each value, `height` lines high, by eighths of a line; the top line first.

    The smallest value is an eighth high, the largest fills all lines.
    """
    low, high = min(values), max(values)
    scale = (8 * height - 1) / (high - low) if high > low else 0.0
    eighths = [1 + round(scale * (value - low)) for value in values]
    lines = []
    for line in range(height - 1, -1, -1):
        lines.append("".join(EIGHTHS[min(max(each - 8 * line, 0), 8)] for each in eighths))
    return lines


def _bars(frame: Frame, width: int) -> RenderableType | None:
    if not frame.bars:
        return None
    table = Table.grid(padding=(0, 1))
    table.add_column(width=NAME, no_wrap=True)
    table.add_column(justify="right", width=VALUE)
    table.add_column(no_wrap=True)
    finite = [abs(bar.decades) for bar in frame.bars if math.isfinite(bar.decades)]
    largest = max(1.0, max(finite, default=1.0))
    room = max(10, width - NAME - VALUE - 3)
    for bar in shown_bars(frame.bars):
        if bar is None:
            table.add_row(Text("...", "dim"), "", "")
            continue
        table.add_row(_elided(bar.name), bar.value, _bar(bar, largest, room))
    title = f"{frame.bars_title}, iteration {frame.bars_at:,} (bars: powers of ten)"
    return Group(Text(title, "dim"), table)


def shown_bars(bars: Sequence[Bar]) -> list[Bar | None]:
    """Return the bars that there is room for: both ends, and None for those between them."""
    if len(bars) <= MOST_BARS:
        return list(bars)
    half = MOST_BARS // 2
    return [*bars[:half], None, *bars[-half:]]


def _bar(bar: Bar, largest: float, room: int) -> Text:
    if not math.isfinite(bar.decades):
        return Text("" if math.isnan(bar.decades) else "nothing arrives", "red")
    away = abs(bar.decades)
    length = round(room * away / largest)
    colour = "red" if away >= FAR else "yellow" if away >= SOME_WAY else "green"
    return Text(("▒" if bar.decades < 0 else "█") * length or "·", colour)


def _elided(name: str) -> str:
    return name if len(name) <= NAME else f"…{name[1 - NAME :]}"


def _findings(frame: Frame) -> list[RenderableType]:
    if not frame.verdict:
        return [Text("Nothing was judged yet.", "dim")]
    at = f"judged at iteration {frame.judged_at:,}"
    if not frame.findings:
        colour = COLOURS.get(frame.verdict, "")
        return [Text.assemble((frame.verdict, colour), (f", {at}", "dim"))]
    lines: list[RenderableType] = []
    for told in frame.findings[:FINDINGS]:
        head = (f"{told.name} ({told.rule}, {told.severity})", f"bold {COLOURS[told.severity]}")
        lines.append(Text.assemble(head, f": {told.message}"))
        if told.remedy:
            lines.append(Text.assemble(("  try: ", "bold"), told.remedy))
    more = len(frame.findings) - FINDINGS
    lines.append(Text(f"{f'{more} more; ' if more > 0 else ''}{at}", "dim"))
    return lines


def plain_line(frame: Frame) -> str:
    """Return a frame in one line, for what is no terminal."""
    said = [f"{frame.state}, iteration {frame.iterations:,}"]
    said += [f"{label} {number(value)}" for label, value in frame.numbers]
    if frame.seconds is not None:
        said.append(f"{duration(frame.seconds)} a step")
    said += [f"{told.name} ({told.rule}, {told.severity})" for told in frame.findings]
    if not frame.findings and frame.verdict:
        said.append(frame.verdict)
    return ", ".join(said)


def number(value: float) -> str:
    """Write a number in at most nine characters."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return f"{value:.4g}"


def duration(seconds: float) -> str:
    """Write a time in the unit that suits it: 12 ms, 3.4 s, 2.1 min."""
    if seconds < 1e-3:
        return f"{1e6 * seconds:.0f} µs"
    if seconds < 1:
        return f"{1e3 * seconds:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 100 else f"{seconds / 60:.3g} min"
