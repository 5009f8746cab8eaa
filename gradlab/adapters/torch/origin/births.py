"""Who made what is not finite: an operation as it was seen, and what it tells for the record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from gradlab.adapters.torch.origin import places, reasons
from gradlab.adapters.torch.origin.answer import INPUT, Origin
from gradlab.adapters.torch.origin.places import Frame, Place
from gradlab.adapters.torch.origin.seen import Seen


@dataclass(eq=False)
class Done:
    """One operation as it was seen: without its tensors."""

    operation: str
    module: str
    after: str
    frames: tuple[Frame, ...]
    given: list[Seen] = field(default_factory=list)
    birth: Birth | None = None  # of something not finite that it was given
    of: str = ""  # what it made, in words, where it only gave it another shape

    def __str__(self) -> str:
        where = f" in module {self.module}" if self.module else ""
        line = places.place(self.frames)
        return f"{self.operation}{where}" + (f", {line.short}" if line is not None else "")


@dataclass(eq=False)
class Birth:
    """The operation that made something not finite, or the tensor that brought it."""

    number: int
    done: Done | None
    made: Seen
    deliberate: bool = False
    masked: bool = False
    index: tuple[int, ...] = ()
    rows: tuple[int, ...] = ()
    kind: str = ""  # "parameter", "buffer", "input" or "constant", where no operation made it
    name: str = ""


@dataclass(eq=False)
class Mark:
    """What is known of memory that holds something not finite; the tensor keeps it from reuse."""

    tensor: Tensor
    nan: Birth | None
    infinity: Birth | None


def origin_of(birth: Birth, phase: str = "forward") -> Origin:
    """Return what a birth tells, for the record."""
    if birth.done is None:
        return _brought(birth, phase)
    done = birth.done
    reason = reasons.of_result(done.operation, done.given, birth.made, masked=birth.masked)
    extreme = extreme_of(done.given)
    parameter = extreme.of.removeprefix("parameter ") if extreme is not None else ""
    is_parameter = extreme is not None and extreme.of.startswith("parameter ")
    bare = is_parameter and reason.key in ("log", "root", "power", "quotient")
    place = places.place(done.frames)
    return Origin(
        operation=done.operation,
        module=done.module,
        phase=phase,
        inputs=" and ".join(str(each) for each in done.given[:3]) or "nothing",
        after=done.after,
        place=place,
        caller=places.caller(done.frames),
        index=birth.index,
        why=reason.words,
        key=reason.key,
        source=source_of(extreme, place),
        parameter=parameter if bare else "",
        rows=birth.rows,
    )


def source_of(extreme: Seen | None, place: Place | None) -> str:
    """Say who made what an operation was given; not the line, where it is the operation's own."""
    if extreme is None or not extreme.of:
        return ""
    here = "" if place is None else f", {place.short}"
    return f"what it was given comes from {extreme.of.removesuffix(here)}"


def extreme_of(given: Sequence[Seen]) -> Seen | None:
    """Return what an operation was given that reaches farthest, or holds a 0 as a divisor."""
    if len(given) > 1 and given[1].zeros:
        return given[1]
    return max(given, key=lambda each: each.most, default=None)


def _brought(birth: Birth, phase: str) -> Origin:
    """Return the origin of what no operation made: an argument, a parameter, a buffer."""
    number = f"{birth.made}"
    if birth.kind == "input":
        return Origin(
            INPUT, "", phase, f"{birth.name} holds {number}",
            index=birth.index, rows=birth.rows, argument=birth.name, key="input",
            why=f"argument {birth.name} of the model is not finite at {list(birth.index)}",
        )  # fmt: skip
    return Origin(
        birth.kind, "", phase, number, index=birth.index, key=birth.kind,
        parameter=birth.name if birth.kind == "parameter" else "",
        why=f"{birth.kind} {birth.name} is not finite at {list(birth.index)}",
    )  # fmt: skip
