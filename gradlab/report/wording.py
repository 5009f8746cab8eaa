"""Words and numbers as the report writes them."""

from __future__ import annotations

import math
import re

from gradlab.rules.wording import number

__all__ = [
    "FORMULAS",
    "LOGARITHMIC",
    "RARER_WORDS",
    "STATISTIC_WORDS",
    "TERM_WORDS",
    "escape",
    "number",
    "plainly",
    "power",
    "typeset",
    "words",
]

TERM_WORDS = {
    "weight": "weight scale",
    "alignment": "weight alignment",
    "slope": "activation slope",
    "slope_alignment": "slope alignment",
    "block": "blocks",
}
STATISTIC_WORDS = {
    "delta_norm": "gradient signal ‖δ‖",
    "grad_norm": "weight gradient ‖G‖",
    "per_example_grad_norm": "weight gradient of single examples",
    "activation_rms": "activations (rms)",
    "update_ratio": "update ‖ΔW‖ / ‖W‖",
    "dead_fraction": "dead units (fraction)",
    "slope_rms": "activation slope (rms)",
    "second_moment_rms": "Adam's √v̂ (rms)",
}
RARER_WORDS = {  # shown where a finding points at them
    "saturated_fraction": "saturated units (fraction)",
    "lost_fraction": "updates lost to rounding (fraction)",
    "unit_similarity": "likeness of the two most alike units",
    "update_cosine": "update's direction against the one before",
    "update_norm": "update ‖ΔW‖",
    "weight_norm": "weights ‖W‖",
}
FORMULAS = {
    "delta_norm": "‖δ‖ = ‖∂Loss/∂z‖, Frobenius norm over the batch and the units",
    "grad_norm": "‖G‖ = ‖∂Loss/∂W‖, Frobenius norm",
    "per_example_grad_norm": "mean over examples of ‖δᵢ‖ ‖hᵢ‖, δᵢ of example i's own loss, hᵢ what the layer reads",
    "activation_rms": "√ mean h², over the batch and the units",
    "update_ratio": "‖W after − W before‖ / ‖W before‖",
    "dead_fraction": "units with φ′(z) = 0 on every example / units",
    "slope_rms": "√ mean φ′(z)², over the batch and the units",
    "second_moment_rms": "√ mean v̂, v̂ the optimizer's running mean of squared gradients",
    "saturated_fraction": "entries with |φ′(z)| < 1 % of its maximum / entries",
    "lost_fraction": "weights that stay the same number though their gradient is not 0 / such weights",
    "unit_similarity": "largest cosine between the weights of two units of the layer",
    "update_cosine": "⟨ΔW, ΔW before⟩ / (‖ΔW‖ ‖ΔW before‖)",
    "update_norm": "‖W after − W before‖, Frobenius norm",
    "weight_norm": "‖W‖, Frobenius norm",
}
LOGARITHMIC = (
    "delta_norm", "grad_norm", "grad_max", "per_example_grad_norm", "weight_norm", "update_norm", "update_ratio",
    "activation_std", "activation_rms", "slope_rms", "second_moment_rms",
)  # fmt: skip
COMPUTER_NUMBER = re.compile(r"(?<![\w.])(-?\d+(?:\.\d+)?)e([+-]?\d+)(?![\w.]*\w)")
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def words(name: str) -> str:
    """Write a rule's name as words: "vanishing gradient", but "non-finite"."""
    return name.replace("-", " ").replace("non finite", "non-finite")


def escape(text: str) -> str:
    """Make a name safe for Plotly, which reads a few HTML tags in its labels."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def power(log10: float) -> str:
    """Write 10^log10, also where that overflows a float: 2.02, 0.00086, 3.3·10⁻¹³."""
    if not math.isfinite(log10):
        return "NaN" if math.isnan(log10) else "0" if log10 < 0 else "∞"
    if abs(log10) < 300:
        return typeset(number(10**log10))
    exponent = math.floor(log10)
    return _scientific(10 ** (log10 - exponent), exponent)


def plainly(value: float) -> str:
    """Write a number for a sentence: two digits, 0.00086 rather than 8.6e-4, 3.3·10⁻¹³ where that is long."""
    if not math.isfinite(value) or value == 0:
        return number(value)
    if 1e-5 <= abs(value) < 1e6:
        digits = max(0, 1 - math.floor(math.log10(abs(value))))
        return f"{value:,.{digits}f}"
    exponent = math.floor(math.log10(abs(value)))
    return _scientific(value / 10**exponent if exponent > -300 else 1, exponent)


def _scientific(mantissa: float, exponent: int) -> str:
    return f"{mantissa:.1f}·10{str(exponent).translate(SUPERSCRIPTS)}"


def typeset(text: str) -> str:
    """Write the numbers of a sentence as a page does: 3.3·10⁻¹³ for 3.3e-13, 0.00086 for 8.6e-4, no % left alone."""
    return COMPUTER_NUMBER.sub(_plain_number, text).replace(" %", "\u00a0%")


def _plain_number(found: re.Match[str]) -> str:
    mantissa, exponent = float(found[1]), int(found[2])
    return plainly(float(found[0])) if abs(exponent) < 300 else _scientific(mantissa, exponent)
