"""`Origin`: where a number stopped being finite, as plain data and in words."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from gradlab.adapters.torch.origin.places import Place

INPUT, TARGET, UPDATE = "input", "target", "update"


@dataclass(frozen=True)
class Origin:
    """Where a number stopped being finite.

    Attributes
    ----------
    operation : str
        PyTorch's name of it, such as "aten.log"; "input" where the model was given the number,
        "target" where the loss was, "update" where the optimizer made it.
    module : str
        The innermost module that was running; "" for the loss, or whatever runs outside the model.
    phase : str
        "forward", "loss", "backward" or "update".
    inputs : str
        The range of what the operation was given.
    after : str
        The last module with weights that had begun by then: the layer it happened in, or behind.
    place, caller : Place, optional
        The line of the user's code, and the line that called it.
    index : tuple of int
        Of the first element that is not finite.
    why : str
        The reason, with the limits of the format.
    key : str
        What kind of reason it is: what to do about it depends on that.
    source : str
        What made the extreme input.
    parameter, argument : str
        A parameter, or an argument of the model, that is at fault itself.
    rows : tuple of int
        Of the batch: those at fault, as far as that can be told.
    details : dict
        Numbers beside these.
    """

    operation: str
    module: str
    phase: str
    inputs: str = ""
    after: str = ""
    place: Place | None = None
    caller: Place | None = None
    index: tuple[int, ...] = ()
    why: str = ""
    key: str = ""
    source: str = ""
    parameter: str = ""
    argument: str = ""
    rows: tuple[int, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.operation == INPUT:
            parts = [f"in what the model was given: {self.inputs}"]
        elif self.operation == UPDATE:
            parts = [f"in the update of {self.parameter}"]
        else:
            where = f"in module {self.module}" if self.module else "outside the model (the loss)"
            parts = [f"{self.operation} {where}, in the {self.phase} pass, given {self.inputs}"]
        if self.place is not None:
            parts[0] += f", at {self.place}"
        if self.caller is not None:
            parts[0] += f", called at {self.caller}"
        parts += [each for each in (self.why, self.source) if each]
        if self.index:
            parts.append(f"the first such element is {list(self.index)}")
        return "; ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data; what is empty is left out."""
        data: dict[str, Any] = {
            "operation": self.operation,
            "module": self.module,
            "phase": self.phase,
            "inputs": self.inputs,
            "after": self.after,
        }
        if self.place is not None:
            data |= {
                "file": self.place.file,
                "line": self.place.line,
                "function": self.place.function,
                "code": self.place.code,
            }
        if self.caller is not None:
            data["caller"] = {
                "file": self.caller.file,
                "line": self.caller.line,
                "code": self.caller.code,
            }
        for name in ("index", "why", "key", "source", "parameter", "argument", "rows", "details"):
            value = getattr(self, name)
            if value:
                data[name] = list(value) if isinstance(value, tuple) else value
        return data

    def with_details(self, **changes: Any) -> Origin:
        """Return a copy with other values."""
        return replace(self, **changes)
