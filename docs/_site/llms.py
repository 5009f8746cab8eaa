"""llms.txt: the site in one page of links, for language models."""

from __future__ import annotations

import re
from pathlib import Path

from _site.more import unlisted

SECTIONS = {
    "Start": ("start-pytorch", "start-students", "first-five-minutes"),
    "How to": (
        "how-to/nan-loss",
        "how-to/loss-does-not-fall",
        "how-to/vanishing-transformer",
        "testing-gradients",
        "how-to/cost",
        "how-to/gan",
        "how-to/mixed-precision",
        "pytorch-integrations",
        "how-to/report",
        "how-to/fix",
        "live",
        "how-to/sweep",
        "cluster",
        "how-to/runs",
        "own-loop",
        "first-nan",
    ),
    "Reference": (
        "pytorch",
        "generated/rules/index",
        "generated/statistics",
        "generated/commands",
        "generated/api/index",
        "install",
    ),
    "Explanation": (
        "explanation/four-terms",
        "explanation/residual-streams",
        "explanation/theory",
        "explanation/fix",
        "how-truth-is-measured",
        "comparison",
        "performance",
    ),
    "Project": ("generated/project/security", "generated/project/architecture"),
}
HEAD = """# gradlab

> gradlab finds out why a neural network does not learn. It records the gradients, activations and
> weights of every layer while a network trains (PyTorch, NumPy, or a loop of one's own), judges
> the record by rules with permanent codes, and names the cause in numbers: which layer, since
> when, and why.

Install: `pip install gradlab-diagnostics` (import name: gradlab). In PyTorch: `with
gradlab.adapters.torch.watch(model, optimizer, out="runs/mine") as recorder:` around the training
loop, then `print(gradlab.diagnose(recorder.run))` or `gradlab check runs/mine`.
"""


def text(source: Path) -> str:
    """Return the file: a line for each page with its title and its first sentence."""
    parts = [HEAD]
    known = {name for names in SECTIONS.values() for name in names}
    more = [name for name in unlisted(source) if name not in known]
    for section, names in (SECTIONS | ({"More": more} if more else {})).items():
        lines = [_line(source, name) for name in names]
        parts.append(f"## {section}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _line(source: Path, name: str) -> str:
    path = source / f"{name}.md"
    if not path.exists():
        return f"- [First five minutes]({name}.html): a notebook"
    words = path.read_text(encoding="utf-8")
    title = re.search(r"^# (.+)$", words, flags=re.MULTILINE)
    after = words.split(title[0], 1)[1] if title else words
    body = re.sub(r"```.*?```|:::.*?:::", "", after, flags=re.DOTALL)
    first = next(line for line in re.split(r"\n\s*\n", body) if line.strip())
    sentence = re.split(r"(?<=[.?!])\s", " ".join(first.split()))[0]
    plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", sentence).replace("`", "")
    return f"- [{title[1] if title else name}]({name}.html): {plain}"
