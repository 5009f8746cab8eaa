"""`Remedy`: something to try, as data and in words of the user's framework.

The functions here make the remedies of rules. Those that take a run write them for the framework
that the run comes from: `nn.init.kaiming_normal_(model.blocks[3].up.weight, nonlinearity="relu")`
for PyTorch, `init="he_normal"` for the built-in engine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gradlab.rules.expressions import in_torch, module_of, weight_of
from gradlab.run import Run

HE, GLOROT = "he_normal", "glorot_normal"
RELU_LIKE = ("relu", "leaky_relu", "elu", "gelu", "silu", "softplus")
IN_TORCH = {  # names of the built-in engine -> PyTorch's
    "relu": "nn.ReLU()",
    "leaky_relu": "nn.LeakyReLU()",
    "elu": "nn.ELU()",
    "tanh": "nn.Tanh()",
    "gelu": "nn.GELU()",
    "silu": "nn.SiLU()",
    "huber": "nn.HuberLoss()",
    "mean_absolute_error": "nn.L1Loss()",
    HE: 'nn.init.kaiming_normal_({weight}, nonlinearity="relu")',
    GLOROT: "nn.init.xavier_normal_({weight})",
}


@dataclass(frozen=True)
class Remedy:
    """Something to try.

    Attributes
    ----------
    action : str
        What to do, such as "initialize" or "lower learning rate".
    words : str
        One sentence for a person, in the user's framework, with the module's own name.
    parameters : mapping
        The numbers and names of the action, as plain data.
    evidence : str
        What was measured that speaks for it. A verdict fills in the finding's own where a rule says
        nothing more.
    code : str
        Lines that can be run, with the names `model` and `optimizer`, or the keyword arguments of
        the built-in engine. A verdict fills it in; empty where only the user can write it.
    """

    action: str
    words: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    evidence: str = ""
    code: str = ""

    def __str__(self) -> str:
        return self.words

    def adding(self, words: str) -> Remedy:
        """Return this remedy with more to say: "lower the learning rate, or warm it up"."""
        return replace(self, words=f"{self.words}, {words}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; a number that is not finite becomes None."""
        parameters = {name: _plain(value) for name, value in self.parameters.items()}
        return {
            "action": self.action,
            "parameters": parameters,
            "words": self.words,
            "evidence": self.evidence,
            "code": self.code,
        }


def remedy(action: str, words: str, *, evidence: str = "", **parameters: Any) -> Remedy:
    """Make a remedy whose words are the same in every framework."""
    return Remedy(action, words, parameters, evidence)


# -- the initial weights ---------------------------------------------------------------------------


def fitting_scheme(activation: object) -> str:
    """Return the initializer that fits an activation: He's for relu and its like, else Glorot's."""
    return HE if activation in RELU_LIKE else GLOROT


def initialize(
    run: Run,
    layers: Sequence[int],
    scheme: str,
    *,
    gain: float | None = None,
    because: str = "",
    evidence: str = "",
) -> Remedy:
    """Draw the initial weights of some layers (from 1; none: of all) by a scheme that fits them."""
    if in_torch(run):
        first = min(layers, default=1)
        call = IN_TORCH[scheme].format(weight=weight_of(run, first))
        words = f"initialize: {call}" + (
            ", and the other layers named alike" if len(layers) != 1 else ""
        )
    elif gain is not None:
        words = f"initialize with gain {gain:g}: {HE} for relu, {GLOROT} for tanh"
    else:
        words = f'initialize with init="{scheme}"'
    parameters = {"layers": list(layers), "scheme": scheme} | (
        {} if gain is None else {"gain": gain}
    )
    return Remedy("initialize", _with(words, because), parameters, evidence)


def zero_biases(run: Run, layers: Sequence[int], *, evidence: str = "") -> Remedy:
    """Start the biases of some layers (from 1; none: of all) at 0."""
    if in_torch(run):
        first = module_of(run, min(layers, default=1))
        more = ", and the other layers named alike" if len(layers) != 1 else ""
        words = f"start the biases at 0: nn.init.zeros_({first}.bias){more}"
    else:
        words = "start the biases at 0: model.biases.flat.fill(0)"
    return Remedy("zero biases", words, {"layers": list(layers)}, evidence)


def set_gain(run: Run, gain: float, *, evidence: str = "") -> Remedy:
    """Take back a gain that the configuration sets above 1."""
    words = (
        f"set gain to 1 (it is {gain:g}, which multiplies every layer's factor by {gain:g}): "
        f"initialize with {HE} for relu, {GLOROT} for tanh"
    )
    return Remedy("initialize", words, {"gain": 1.0, "was": gain}, evidence)


# -- the size of steps -----------------------------------------------------------------------------


def lower_learning_rate(
    run: Run, factor: float, *, because: str = "", evidence: str = ""
) -> Remedy:
    """Divide the learning rate by a factor.

    The words name the new one where the old one is known.
    """
    words = f"lower the learning rate{_times(factor)}{_new_rate(run, 1 / factor)}"
    return Remedy("lower learning rate", _with(words, because), {"factor": factor}, evidence)


def raise_learning_rate(
    run: Run, factor: float, *, because: str = "", evidence: str = ""
) -> Remedy:
    """Multiply the learning rate by a factor; the words name the new one where the old is known."""
    words = f"raise the learning rate{_times(factor)}{_new_rate(run, factor)}"
    return Remedy("raise learning rate", _with(words, because), {"factor": factor}, evidence)


def warm_up(run: Run, iterations: int = 50, *, evidence: str = "") -> Remedy:
    """Let the learning rate rise from almost 0 over the first iterations."""
    how = (
        f"LinearLR(optimizer, start_factor=0.01, total_iters={iterations})"
        if in_torch(run)
        else f'schedule="constant:warmup={iterations}"'
    )
    parameters = {"iterations": iterations}
    return Remedy("warm up", f"warm the learning rate up: {how}", parameters, evidence)


def clip(run: Run, norm: float = 1.0, *, because: str = "", evidence: str = "") -> Remedy:
    """Shorten gradients whose norm is above a limit."""
    how = (
        f"nn.utils.clip_grad_norm_(model.parameters(), {norm:g}) before optimizer.step()"
        if in_torch(run)
        else f'clip="norm:most={norm:g}"'
    )
    words = _with(f"clip the gradient by its norm, {how}", because)
    return Remedy("clip gradient", words, {"norm": norm}, evidence)


def set_epsilon(run: Run, epsilon: float, *, because: str = "", evidence: str = "") -> Remedy:
    """Give an adaptive optimizer another epsilon."""
    optimizer = str(run.config.get("optimizer", "adam")).split(":")[0]
    how = (
        f"eps={epsilon:.1g} in the optimizer"
        if in_torch(run)
        else f'optimizer="{optimizer}:epsilon={epsilon:.1g}"'
    )
    words = _with(f"set epsilon to {epsilon:.1g} ({how})", because)
    return Remedy("set epsilon", words, {"epsilon": epsilon}, evidence)


def lower_weight_decay(run: Run, factor: float, *, because: str = "", evidence: str = "") -> Remedy:
    """Divide the weight decay, or the penalty on the weights, by a factor."""
    what = "weight_decay of the optimizer" if in_torch(run) else "penalty on the weights (l2)"
    words = _with(f"lower the {what}{_times(factor)}", because)
    return Remedy("lower weight decay", words, {"factor": factor}, evidence)


# -- the architecture ------------------------------------------------------------------------------


def use_activation(run: Run, activation: str, *, because: str = "", evidence: str = "") -> Remedy:
    """Use another activation, with the initializer that fits it."""
    scheme = fitting_scheme(activation)
    how = (
        f"{IN_TORCH[activation]} with {IN_TORCH[scheme].partition('(')[0]}"
        if in_torch(run)
        else f"{activation} with {scheme}"
    )
    words = _with(f"use {how}", because)
    return Remedy("use activation", words, {"activation": activation, "scheme": scheme}, evidence)


def normalize(run: Run, layers: Sequence[int] = (), *, evidence: str = "") -> Remedy:
    """Put norms between the layers."""
    how = "nn.LayerNorm or nn.BatchNorm1d" if in_torch(run) else 'norm="layer" or norm="batch"'
    words = f"normalize what the layers read ({how})"
    return Remedy("normalize", words, {"layers": list(layers)}, evidence)


def add_shortcuts(run: Run, *, evidence: str = "") -> Remedy:
    """Let the signal pass the layers by, or shorten its way."""
    how = "x + block(x)" if in_torch(run) else "residual=1.0"
    words = f"use residual connections ({how}) or normalization, or fewer layers"
    return Remedy("add residual connections", words, {}, evidence)


# -- the data and the loss -------------------------------------------------------------------------


def standardize_inputs(run: Run, *, evidence: str = "") -> Remedy:
    """Bring the inputs to mean 0 and deviation 1."""
    words = "standardize the inputs: mean 0, deviation 1"
    return Remedy("standardize inputs", words, {}, evidence)


def standardize_target(run: Run, *, evidence: str = "") -> Remedy:
    """Bring the targets to mean 0 and deviation 1."""
    words = "standardize the targets: train on (y - y.mean()) / y.std()"
    return Remedy("standardize target", words, {}, evidence)


def log_softmax_or_logits(run: Run, *, because: str = "", evidence: str = "") -> Remedy:
    """Hand the criterion what it expects, not probabilities."""
    how = (
        "nn.CrossEntropyLoss takes logits: leave out the softmax (or use log_softmax and "
        "nn.NLLLoss)"
        if in_torch(run)
        else "cross_entropy takes logits: leave out the softmax"
    )
    return Remedy("use logits", _with(how, because), {}, evidence)


def use_loss(run: Run, *losses: str, evidence: str = "") -> Remedy:
    """Use a loss that grows more slowly with the error."""
    named = " or ".join(IN_TORCH.get(loss, loss) if in_torch(run) else loss for loss in losses)
    return Remedy("use loss", f"use a robust loss: {named}", {"losses": list(losses)}, evidence)


def inspect_batch(run: Run, iteration: int, looking_for: str, *, evidence: str = "") -> Remedy:
    """Look at the batch of one iteration."""
    words = f"look at the batch of iteration {iteration}: {looking_for}"
    return Remedy("inspect batch", words, {"iteration": iteration}, evidence)


# -- who holds the parameters ----------------------------------------------------------------------


def unfreeze(run: Run, layers: Sequence[int], *, evidence: str = "") -> Remedy:
    """Let gradients reach the weights of some layers."""
    which = ", ".join(weight_of(run, layer) for layer in layers[:3])
    words = f"{which}.requires_grad_(True)" if in_torch(run) else f"let {which} move"
    return Remedy("unfreeze", words, {"layers": list(layers)}, evidence)


def add_to_optimizer(run: Run, layers: Sequence[int], *, evidence: str = "") -> Remedy:
    """See that the optimizer holds the weights of some layers."""
    group = f'{{"params": {module_of(run, min(layers, default=1))}.parameters()}}'
    words = (
        "make the optimizer of model.parameters() once the last layer is in place, or "
        f"optimizer.add_param_group({group})"
        if in_torch(run)
        else "give the optimizer all layers' weights"
    )
    return Remedy("add to optimizer", words, {"layers": list(layers)}, evidence)


def empty_gradients(run: Run, *, evidence: str = "") -> Remedy:
    """Forget the gradients of earlier batches."""
    words = "call optimizer.zero_grad() once an iteration, before backward or after step"
    return Remedy("empty gradients", words, {}, evidence)


def _with(words: str, because: str) -> str:
    return f"{words}: {because}" if because else words


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _times(factor: float) -> str:
    """Write " tenfold", or " by the factor 5.72"; nothing for a factor beyond all numbers."""
    if not math.isfinite(factor):
        return ""
    return " tenfold" if factor == 10 else f" by the factor {factor:.3g}"


def _new_rate(run: Run, factor: float) -> str:
    """Write the new learning rate as the framework takes it; nothing where the old is unknown."""
    rate = run.config.get("learning_rate")
    if not isinstance(rate, (int, float)) or isinstance(rate, bool) or not rate > 0:
        return ""
    new = rate * factor
    if not 0 < new < math.inf:
        return ""
    option = "lr" if in_torch(run) else "learning_rate"
    return f" ({option}={new:.3g})"
