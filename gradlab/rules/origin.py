"""What the record says of the operation that made the first NaN or infinity, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradlab.rules.remedies import Remedy, inspect_batch, remedy
from gradlab.run import Run

BOUND = "bound parameter"
GIVEN = ("input", "target")  # operations that are none: the data brought it
# Reasons that no growth of weights or gradients explains.
OWN_CAUSES = {
    "input", "masked row", "mask times infinity", "empty", "spread", "norm", "domain", "epsilon",
    "rate", "weight decay", "second moment", "eigenvalues", "custom", "overwritten", "buffer",
}  # fmt: skip

Origin = Mapping[str, Any]

# By reason: action, and words in PyTorch's own names.
_TO_DO: dict[str, tuple[tuple[str, str], ...]] = {
    "log": (
        ("use log_softmax", "torch.log_softmax(x, -1) instead of torch.log(torch.softmax(x, -1))"),
        ("clamp", "or keep 0 out: torch.log(x.clamp_min(1e-8))"),
    ),
    "exp": (
        (
            "subtract maximum",
            "use torch.softmax, torch.logsumexp or F.scaled_dot_product_attention, not exp by "
            "hand: they subtract the maximum first",
        ),
        ("clamp", "or bound what exp is given: torch.exp(x.clamp_max(50))"),
    ),
    "root": (("add epsilon", "an epsilon inside the root: torch.sqrt(x + 1e-8)"),),
    "quotient": (("add epsilon", "keep 0 out of the divisor: x / y.clamp_min(1e-8)"),),
    "power": (("add epsilon", "an epsilon inside the power: (x + 1e-8) ** p, for x from 0 on"),),
    "arc": (("clamp", "stay inside the domain: x.clamp(-1 + 1e-6, 1 - 1e-6)"),),
    "masked row": (
        (
            "mend mask",
            "leave no row masked whole: drop such rows, or unmask one key in them and set the "
            "result to 0; F.scaled_dot_product_attention gives 0 for them by itself",
        ),
    ),
    "mask times infinity": (
        ("mend mask", 'scores.masked_fill(mask, float("-inf")) instead of mask * -inf'),
    ),
    "empty": (
        ("count chosen", "divide by what was chosen: x.sum() / chosen.sum().clamp_min(1)"),
    ),
    "spread": (("biased deviation", "x.std(correction=0), or leave out groups of one number"),),
    "norm": (("set norm epsilon", "give the norm an eps above 0, such as 1e-5"),),
    "half overflow": (
        ("use bfloat16", "torch.autocast(..., dtype=torch.bfloat16): it has float32's range"),
        ("scale loss", "with float16, torch.amp.GradScaler; or x.float() for this operation"),
    ),
    "eigenvalues": (
        (
            "split eigenvalues",
            "add small different numbers to the diagonal, or use the eigenvalues alone",
        ),
    ),
    "custom": (("check backward", "check this function's backward with torch.autograd.gradcheck"),),
    "epsilon": (
        (
            "set epsilon",
            "keep weights and moments in float32, or set eps to what the format can hold "
            "(eps=1e-4 in float16)",
        ),
    ),
    "second moment": (("keep float32", "keep weights and the optimizer's moments in float32"),),
    "rate": (
        (
            "check schedule",
            "check what the scheduler divides by: the learning rate was not finite",
        ),
    ),
    "weight decay": (
        ("lower weight decay", "lower weight_decay until lr * weight_decay is far below 1"),
    ),
    "buffer": (
        (
            "guard buffers",
            "keep batches that are not finite from the model: skip them before the forward pass, "
            "since a skipped step does not take back what they did to running averages",
        ),
        (
            "reset buffers",
            "begin the averages anew: reset_running_stats() of the norm, or load its buffers from "
            "a checkpoint",
        ),
    ),
    "overwritten": (
        ("check writes", "look for code that writes into this parameter between steps"),
    ),
}  # fmt: skip
ACTIONS = {BOUND, "inspect batch"} | {
    action for key in OWN_CAUSES for action, _ in _TO_DO.get(key, ())
}
_BRANCHES = {"log", "root", "quotient", "power", "arc"}


def of(run: Run, iteration: int, replicate: int | None = None) -> Origin:
    """Return what the record says of the number's origin; nothing where it says nothing.

    Parameters
    ----------
    replicate : int, optional
        The seed asked for: the record may know that of another one.
    """
    origin = run.provenance.get("nonfinite_origin")
    if not isinstance(origin, dict):
        return {}
    if replicate is not None and origin.get("replicate", replicate) != replicate:
        return {}
    # What an update made is met in the pass after it, and may have been recorded before.
    times = {origin.get("iteration")}
    if origin.get("operation") == "update" and isinstance(origin.get("iteration"), int):
        times.add(origin["iteration"] - 1)
    return origin if iteration in times else {}


def sentence(origin: Origin) -> str:
    """Word the origin, to go on after "in the forward pass"; nothing where there is none."""
    if not origin:
        return ""
    rank = f", on the process of rank {origin['rank']}" if "rank" in origin else ""
    why = f": {_text(origin, 'why')}" if origin.get("why") else ""
    operation = _text(origin, "operation")
    line = f" at {place(origin)}" if place(origin) else ""
    if operation == "input":
        return f": they were in the batch that the model was given{rank}{line}{why}{_rows(origin)}"
    if operation == "target":
        return f": they were in what the loss was given{rank}{line}{why}{_rows(origin)}"
    if operation == "buffer":
        return f"{rank}{why}"
    if operation == "update" and origin.get("key") == "overwritten":
        return f": parameter {_text(origin, 'parameter')} is not finite{rank}{why}"
    if operation == "update":
        called = f", by the step{line}" if line else ""
        return f": parameter {_text(origin, 'parameter')} left the update so{called}{rank}{why}"
    module = _text(origin, "module")
    where = f"module {module}" if module else "what runs outside the model"
    source = f"; {_text(origin, 'source')}" if origin.get("source") else ""
    index = origin.get("index")
    element = f"; element {list(index)}" if isinstance(index, (list, tuple)) and index else ""
    code = f" ({_text(origin, 'code')})" if origin.get("code") else ""
    code = code or (f" ({_text(origin, 'unknown')})" if origin.get("unknown") else "")
    given = _text(origin, "inputs")
    return (
        f": made by {operation} in {where}{line}{code}, given {given}{rank}{why}{source}{element}"
    )


def unknown(run: Run) -> str:
    """Word why the record knows no origin, to go on after "in the forward pass"."""
    why = run.provenance.get("nonfinite_unknown")
    return f" (what made it is not known: {why})" if isinstance(why, str) and why else ""


def place(origin: Origin) -> str:
    """Return "model.py:12", or nothing where no line is known."""
    file, line = origin.get("file"), origin.get("line")
    return f"{file}:{line}" if isinstance(file, str) and file and isinstance(line, int) else ""


def remedies(run: Run, origin: Origin, iteration: int) -> tuple[Remedy, ...]:
    """Return what to do about an operation, most promising first; nothing where nobody knows."""
    key, evidence = _text(origin, "key"), _text(origin, "why")
    at = f", at {place(origin)}" if place(origin) else ""
    if key == "input":
        looking_for = "it holds NaN or infinity before the net does anything"
        return (
            inspect_batch(run, iteration, f"{looking_for}{_rows(origin)}", evidence=evidence),
            remedy(
                "check data",
                "check what loads and scales the data, for a division by 0 or missing values",
            ),
        )
    if key == "domain":
        return bound(_text(origin, "parameter"), evidence)
    made = [
        remedy(action, words + (at if number == 0 else ""), evidence=evidence)
        for number, (action, words) in enumerate(_TO_DO.get(key, ()))
    ]
    if origin.get("phase") == "backward" and key in _BRANCHES and made:
        safe = (
            "inside torch.where, make the input safe first: x = torch.where(ok, x, 1.0), since "
            "autograd goes through both branches"
        )
        hidden = "the number 0" in _text(origin, "why")  # no gradient came: another branch counts
        made.insert(0 if hidden else len(made), remedy("safe branch", safe + at, evidence=evidence))
    return tuple(made)


def bound(name: str, evidence: str) -> tuple[Remedy, ...]:
    """Return how to keep a parameter in its domain."""
    learned = f"learn the logarithm of {name} (and use its exp()), or nn.functional.softplus of it"
    above = f"keep {name} above 0: {name}.clamp(min=1e-3)"
    return (
        remedy(BOUND, learned, evidence=evidence, parameter=name),
        remedy("clamp parameter", above, evidence=evidence),
    )


def _rows(origin: Origin) -> str:
    rows = origin.get("rows")
    if not isinstance(rows, (list, tuple)) or not rows:
        return ""
    listed = ", ".join(str(row) for row in rows[:8])
    return f" (row{'s' if len(rows) > 1 else ''} {listed}{', ...' if len(rows) > 8 else ''})"


def _text(origin: Origin, name: str) -> str:
    value = origin.get(name)
    return value if isinstance(value, str) else ""
