"""The headline of a page, at most twelve words, and the place that a finding names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradlab.diagnosis import NOT_LEARNED
from gradlab.report.summary import Summary
from gradlab.report.wording import power, words
from gradlab.rules import Finding
from gradlab.rules.places import listed, span_of_blocks
from gradlab.rules.wording import span
from gradlab.rules.yardsticks import UNKNOWN

MOST_WORDS = 12
NUMBERS = "GL0"  # the family of rules on numbers that are not finite
VANISHING, EXPLODING = "GL101", "GL102"
NAMED = 5  # blocks
GIVEN = ("input", "target")  # what the data brought along
PHRASES = {"GL106": "The signal is lost at the output"}  # where a rule's name makes no headline
AGREE = 0.3  # decades: numbers that a reader takes for the same
MUCH = 2.0  # decades: a hundredth, or a hundred times


def headline(summary: Summary, places: Sequence[Mapping[str, str]] = ()) -> str:
    """Say the answer on one run in at most twelve words: what, where, since when.

    What does not fit is left out, the last part first; the run's name stands above it.
    """
    root = summary.root
    if root is None:
        return _headline_without_fault(summary)
    product = _product(summary, root)
    broken = leads_to_nan(root)
    first = root.iterations[0]
    if product:
        parts = [product if broken is None else f"{product}, then NaN"]
    elif root.rule.startswith(NUMBERS):
        made = _made_by(summary, first)
        parts = [f"NaN or infinity at iteration {first}{made}"]
        parts.append("" if made else _place(summary, root, places))
    elif broken is not None:
        then = f"then NaN at iteration {broken.iterations[0]}"
        parts = [f"{_sentence(words(root.name))},", then, _place(summary, root, places)]
    else:
        when = "from the start" if first == 0 else f"from iteration {first}"
        parts = [PHRASES.get(root.rule) or _sentence(words(root.name))]
        parts += ["" if root.rule in PHRASES else _place(summary, root, places), when]
    hit, total = root.replicates["hit"], root.replicates["total"]
    parts.append(f"({hit} of {total} seeds)" if hit < total else "")
    text = parts[0]
    for part in parts[1:]:
        if part and len(f"{text} {part}".split()) <= MOST_WORDS:
            text = f"{text} {part}"
    return text


def _headline_without_fault(summary: Summary) -> str:
    if not summary.iterations:
        return "No iteration yet, so there is nothing to judge"
    diagnosis = summary.diagnosis
    if diagnosis.nonfinite:
        return "It holds NaN or infinity; no rule that was asked says why"
    if not diagnosis.ok:
        return f"{_sentence(diagnosis.verdict)}: the verdict is incomplete"
    passed = sum(status == "passed" for status in diagnosis.statuses.values())
    found = f"{passed} rule{'s' * (passed != 1)} found nothing wrong" if passed else "no fault seen"
    if summary.silent or (summary.outcome == UNKNOWN and not summary.losses):
        return f"No fault: {found}"
    if summary.losses:
        if not summary.falls:
            return "The loss does not fall, and no rule says why"
        return f"Healthy: the loss falls, and {found}"
    if summary.outcome == NOT_LEARNED:
        return "It does not learn, and no rule says why"
    return f"Healthy: it learns, and {found}" if summary.fine else f"It learns slowly; {found}"


def leads_to_nan(root: Finding) -> Finding | None:
    """Return the finding on NaN or infinity that a root cause explains; None without one."""
    return next((each for each in root.consequences if each.rule.startswith(NUMBERS)), None)


def _product(summary: Summary, root: Finding) -> str:
    """Say what is left of the gradient, where that is what the finding is about; else nothing."""
    decades = _left(summary, root)
    if not np.isfinite(decades) or root.iterations[0] > 0:
        return ""
    said = _by_message(root)
    if summary.by_block and said is not None and abs(said - decades) > AGREE:
        return ""  # the message below measures another way back, and says another number
    end = summary.ends[0]
    if root.rule == VANISHING and decades < -MUCH:
        return f"The gradient vanishes: {power(decades)} of it reaches {end}"
    if root.rule == EXPLODING and decades > MUCH:
        return f"The gradient explodes: {power(decades)} times larger at {end}"
    return ""


def _by_message(root: Finding) -> float | None:
    """Return log10 of the part that arrives by the finding's own message; None without one."""
    if root.rule == EXPLODING and root.value > 0:
        return float(np.log10(root.value))
    cause: Any = root.cause
    return float(sum(cause["log_gain"].values()) / np.log(10)) if cause else None


def _left(summary: Summary, root: Finding) -> float:
    """Return log10 of the part that arrives: the cause's own number where it is of layer 1.

    It is a median over the finding's window, as in the message below; else that at iteration 0.
    """
    cause: Any = root.cause
    if cause and min(root.layers, default=0) == 1 and not summary.by_block:
        return float(sum(cause["log_gain"].values()) / np.log(10))
    return summary.arrives


def _made_by(summary: Summary, iteration: int) -> str:
    """Say which operation made the first NaN, and in which module; nothing where none is known."""
    origin = summary.origin
    if origin.get("iteration") != iteration or not origin.get("operation"):
        return ""
    operation = str(origin["operation"]).removeprefix("aten.").split(".")[0].strip("_")
    if operation in GIVEN:
        return f": it was in the {operation}"
    return f": {operation} in {origin['module']}" if origin.get("module") else f": {operation}"


def _place(summary: Summary, root: Finding, places: Sequence[Mapping[str, str]]) -> str:
    """Say where, in few words: roles and blocks where there are any, else layers."""
    if not root.layers or len(root.layers) == summary.layers:
        return ""
    blocks, roles = blocks_hit(root, places)
    if blocks:
        total = len({place["block"] for place in places if place["block"]})
        which = span_of_blocks(blocks) if len(blocks) < total else ""
        which = which or f"{len(blocks)} of {total} blocks"
        shared = _shared(roles)
        return f"in {shared} of {which}" if shared else f"in {which}"
    named = _names(summary, root.layers)
    if named:
        return f"in {listed(named, in_a_row=_is_span(root.layers))}"
    if len(root.layers) == 1:
        return f"in layer {root.layers[0]}"
    if _is_span(root.layers):
        return f"in {span(root.layers)} of {summary.layers}"
    return f"in {len(root.layers)} of {summary.layers} layers"


def _names(summary: Summary, layers: Sequence[int]) -> list[str]:
    """Return what the layers are called; nothing where that says no more than their numbers."""
    names = summary.diagnosis.names
    told = [names[layer - 1] for layer in layers if layer <= len(names)]
    return told if len(told) == len(layers) and all(told) else []


def _is_span(layers: Sequence[int]) -> bool:
    return list(layers) == list(range(layers[0], layers[-1] + 1))


def blocks_hit(
    finding: Finding, places: Sequence[Mapping[str, str]]
) -> tuple[list[str], list[str]]:
    """Return the blocks and roles that a finding names, or those of its layers; each once."""
    if finding.blocks:
        return list(finding.blocks), list(finding.roles)
    hit = [places[layer - 1] for layer in finding.layers if layer <= len(places)]
    if not hit or not all(place["block"] for place in hit):  # outside the blocks too: by layers
        return [], []
    blocks = dict.fromkeys(place["block"] for place in hit)
    return list(blocks), list(dict.fromkeys(place["role"] for place in hit))


def noted(summary: Summary, note: Finding, places: Sequence[Mapping[str, str]] = ()) -> str:
    """Say in one line what was noted, and where: the blocks and roles, or the layers."""
    return f"{words(note.name)}: {_layers_hit(summary, note, places)}"


def where(summary: Summary, places: Sequence[Mapping[str, str]] = ()) -> str:
    """Say where and when the worst finding is; nothing where all is well.

    The blocks and roles where the net has blocks, else its layers; the iterations; the seeds.
    """
    root = summary.root
    if root is None:
        return ""
    first = root.iterations[0]
    when = "from the start" if first == 0 else f"from iteration {first}"
    hit, total = root.replicates["hit"], root.replicates["total"]
    seeds = f", in {hit} of {total} seeds" if hit < total else ""
    return f"{_layers_hit(summary, root, places)}, {when}{seeds}"


def _layers_hit(summary: Summary, root: Finding, places: Sequence[Mapping[str, str]]) -> str:
    blocks, roles = blocks_hit(root, places)
    if blocks:
        every = {place["role"] for place in places if place["block"] in blocks}
        some = [] if len(roles) > 1 and set(roles) == every else roles
        shown = f"{', '.join(some[:3])}{' and others' if len(some) > 3 else ''}"
        return f"{shown} in {_listed(blocks)}" if shown else _listed(blocks)
    if not root.layers:
        return "the whole net"
    if len(root.layers) == summary.layers > 1:
        return f"all {summary.layers} layers"
    named = _names(summary, root.layers)
    if len(named) == 1:
        return listed(named)
    if named:
        hit = listed(named, in_a_row=_is_span(root.layers))
        return f"{hit} ({len(named)} of {summary.layers} layers)"
    return f"{span(root.layers)} of {summary.layers}"


def _listed(blocks: Sequence[str]) -> str:
    """List blocks: neighbours as a span, "blocks.0 to blocks.8"; at most a few by name."""
    if len(blocks) <= 2:
        return " and ".join(blocks)
    if neighbours := span_of_blocks(blocks):
        return neighbours
    shown = ", ".join(blocks[:NAMED])
    return shown if len(blocks) <= NAMED else f"{shown} and {len(blocks) - NAMED} more"


def _shared(roles: Sequence[str]) -> str:
    """Return a role, or what several have in common: of "mlp.fc" and "mlp.proj", "mlp"."""
    parts = [role.split(".") for role in roles]
    common = []
    for together in zip(*parts, strict=False):
        if len(set(together)) > 1:
            break
        common.append(together[0])
    return ".".join(common)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
