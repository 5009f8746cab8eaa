"""Which remedies are carried out on a live model and its optimizers.

One function an action of `gradlab.rules.remedies`, in `start`, `steps` and `wiring`. Each yields
what a table calls the change, the line to change in the user's code, and a function of the `Stage`.
A remedy that needs the user's own code has none: it is shown, not tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gradlab.adapters.torch.cures import start, steps, wiring
from gradlab.adapters.torch.cures.around import Option
from gradlab.rules import Remedy
from gradlab.run import Run


def options_for(remedy: Remedy, run: Run) -> list[Option]:
    """Return the ways to carry out a remedy; none where it takes the user's own code."""
    made = ACTIONS.get(remedy.action)
    return [] if made is None else list(made(remedy, run))


ACTIONS: dict[str, Callable[[Remedy, Run], Iterator[Option]]] = {
    "initialize": start.initialize,
    "zero biases": start.zero_biases,
    "raise forget bias": start.open_forget_gates,
    "lower learning rate": steps.lower_rate,
    "raise learning rate": steps.raise_rate,
    "warm up": steps.warm_up,
    "stretch schedule": steps.hold_rate,
    "shorten warm-up": steps.hold_rate,
    "clip gradient": steps.clip,
    "raise clip norm": steps.raise_clip,
    "set epsilon": steps.usual_epsilon,
    "lower weight decay": steps.lower_decay,
    "flip the sign": steps.flip_sign,
    "empty gradients": steps.empty_gradients,
    "unfreeze": wiring.unfreeze,
    "add to optimizer": wiring.add_to_optimizer,
    "standardize inputs": wiring.standardize_inputs,
    "standardize target": wiring.standardize_targets,
    "remove output operation": wiring.remove_operation,
    "use criterion on logits": wiring.remove_operation,
    "use logits": wiring.remove_operation,
    "match shapes": wiring.match_shapes,
    "raise norm momentum": wiring.norm_momentum,
    "lower norm momentum": wiring.norm_momentum,
    "use activation": start.use_activation,
}
"""Action -> the ways to carry it out."""
