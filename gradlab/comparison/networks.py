"""A network written in one word, such as `relu:he_normal:gain=2:norm=batch`.

The word is `ACTIVATION[:INIT][:KEY=VALUE ...]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradlab import activations
from gradlab.errors import ArgumentError, one_of, shown, suggest
from gradlab.nn import initializers
from gradlab.nn.mlp import MLP
from gradlab.nn.modifiers import AXES
from gradlab.ranges import ABOVE_0, FRACTION

NUMBERS = {"gain": ABOVE_0, "residual": ABOVE_0, "dropout": FRACTION}
KEYS = ("gain", "norm", "residual", "dropout")


@dataclass(frozen=True)
class Network:
    """One row of a comparison: what every hidden layer does, and how its weights are drawn.

    Attributes
    ----------
    activation, init : str
    gain : float
    norm : str, optional
    residual : float, optional
    dropout : float
        As for `gradlab.MLP`.
    """

    activation: str
    init: str
    gain: float = 1.0
    norm: str | None = None
    residual: float | None = None
    dropout: float = 0.0

    @property
    def label(self) -> str:
        """A short name: the activation, then whatever is not as usual."""
        parts = [
            self.activation
            if self.init == usual_init(self.activation)
            else f"{self.activation}:{self.init}"
        ]
        if self.gain != 1:
            parts.append(f"x{self.gain:g}")
        if self.norm is not None:
            parts.append(f"+{self.norm}norm")
        if self.residual is not None:
            parts.append("+skip" if self.residual == 1 else f"+skip {self.residual:g}")
        if self.dropout:
            parts.append(f"+dropout {self.dropout:g}")
        return " ".join(parts)

    @classmethod
    def parse(cls, text: str) -> Network:
        """Read a network written in one word; see this module. A bare number is a gain.

        Raises
        ------
        ArgumentError
            An unknown activation, initializer or key, or a value outside its range.
        """
        name, *rest = text.split(":")
        one_of(f"network {shown(text)}: activation", name, activations.ACTIVATIONS)
        options: dict[str, Any] = {"init": usual_init(name)}
        for place, part in enumerate(rest):
            key, equals, value = part.partition("=")
            if not equals and place == 0 and not _is_number(part):
                one_of(f"network {shown(text)}: init", part, initializers.INITIALIZERS)
                options["init"] = part
                continue
            if not equals:
                key, value = "gain", part
            if key not in KEYS:
                raise ArgumentError(
                    f"network {shown(text)} cannot be read at {shown(part)}; {suggest(key, KEYS)}; "
                    "write ACTIVATION:INIT:KEY=VALUE, such as relu:he_normal:gain=2:norm=batch"
                )
            options[key] = _typed(f"network {shown(text)}: {key}", key, value)
        return cls(name, **options)

    def build(self, sizes: Sequence[int], *, seed: int = 0, replicates: int | None = None) -> MLP:
        """Return the net of these sizes, input first."""
        return MLP(
            sizes,
            activation=self.activation,
            init=self.init,
            gain=self.gain,
            seed=seed,
            replicates=replicates,
            norm=self.norm,
            residual=self.residual,
            dropout=self.dropout,
        )


def checked(argument: str, key: str, value: Any) -> Any:
    """Return a value of `init` or one of `KEYS`, given as it is or as text; "none" is no norm.

    Raises
    ------
    ArgumentError
        It is not allowed; the message names `argument`.
    """
    if key in ("norm", "residual") and (value is None or value == "none"):
        return None
    if key == "init":
        one_of(argument, value, initializers.INITIALIZERS)
        return value
    if key == "norm":
        one_of(argument, value, AXES)
        return value
    allowed = NUMBERS[key]
    return (
        allowed.read(argument, value) if isinstance(value, str) else allowed.check(argument, value)
    )


def usual_init(activation: str) -> str:
    """He for the relu kind, whose slope is 0 on half of the inputs; Glorot for the rest."""
    return (
        "he_normal"
        if activation in ("relu", "leaky_relu", "elu", "gelu", "silu")
        else "glorot_normal"
    )


def _typed(argument: str, key: str, value: str) -> str | float:
    if key != "norm":
        return NUMBERS[key].read(argument, value)
    one_of(argument, value, AXES)
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
