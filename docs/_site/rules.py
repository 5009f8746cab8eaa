"""The reference of rules: what each says of itself, its limits, and an example with its picture."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from plotly.offline import get_plotlyjs

from _site import figures_html
from _site.markdown import plain, table, toctree
from gradlab.diagnosis import diagnose, registry
from gradlab.report.first_screen import choose_picture
from gradlab.report.one_run import draw_pictures
from gradlab.report.pictures.picture import Detail
from gradlab.rules import Finding, Rule
from gradlab.run import Run
from tests.corpus import corpus
from tests.rules.wording import MADE

FAMILIES = {
    "GL0": "Numbers",
    "GL1": "Gradients",
    "GL2": "Activations",
    "GL3": "Updates",
    "GL4": "Loss and data",
}
HEADING = re.compile(r"^(\S.*)\n-+$", flags=re.MULTILINE)
INTRODUCTION = """# Rules

Each rule finds one fault, and is silent on networks that learn. A code is permanent; prefixes
stand for families (`--select GL1`). `gradlab rule CODE` prints what its page says, with the
limits in force; `[tool.gradlab.limits.CODE]` in pyproject.toml [changes a
limit](../../testing-gradients.md#settings-of-a-project). How often the rules are right is
[measured](../../how-truth-is-measured.md); [Contributing](../project/contributing.md#a-rule)
shows how to add one.
"""


def pages(folder: Path) -> dict[str, str]:
    """Return a page a rule, and the page that lists them; plotly.js goes beside them."""
    (folder / "extra" / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
    rules = registry()
    found = {f"rules/{code}.md": _page(code, rule) for code, rule in rules.items()}
    parts = [INTRODUCTION]
    for family, heading in FAMILIES.items():
        rows = [
            (f"[{code}]({code}.md)", f"[{rule.name}]({code}.md)", plain(rule.summary))
            for code, rule in rules.items()
            if code.startswith(family)
        ]
        parts += [f"## {heading}\n", table(("code", "name", "finds"), rows), ""]
    parts.append(toctree(rules))
    found["rules/index.md"] = "\n".join(parts) + "\n"
    return found


def _page(code: str, rule: Rule) -> str:
    parts = [f"# {code} {rule.name}\n", f"Finds: {plain(rule.summary)}.\n"]
    # title, then heading and body in turns
    _, *sections = HEADING.split(rule.documentation())
    for heading, body in zip(sections[::2], sections[1::2], strict=True):
        parts += [f"## {heading}\n", _body(body), ""]
    if rule.limits:
        rows = [
            (f"`{name}`", f"{limit.value:g}", plain(limit.unit), plain(limit.reason))
            for name, limit in rule.limits.items()
        ]
        parts += ["## Limits\n", table(("name", "limit", "unit", "reason"), rows), ""]
    parts += _example(code)
    if rule.needs:
        named = ", ".join(f"[`{name}`](../statistics.md)" for name in rule.needs)
        parts += ["## What it needs\n", f"The statistics {named}.\n"]
    led = [each for each in (*rule.explains, *rule.explains_later) if each in registry()]
    if led:
        named = ", ".join(f"[{each}]({each}.md)" for each in dict.fromkeys(led))
        parts += ["## What it explains\n", f"Findings that are folded under this one: {named}.\n"]
    return "\n".join(parts)


def _body(text: str) -> str:
    """Return paragraphs as Markdown; what is indented is a formula or code, and kept."""
    parts = []
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        if paragraph.startswith(" "):
            parts.append(f"```text\n{paragraph}\n```")
        else:
            parts.append(plain(" ".join(paragraph.split())))
    return "\n\n".join(parts)


def _example(code: str) -> list[str]:
    """Return the verdict on a run with this fault planted, and the picture that shows it best."""
    words, run = _trained(code) or _made(code) or ("", None)
    if run is None:
        return []
    diagnosis = replace(diagnose(run, select=[code]), run="example")
    verdict = f"\n```text\n{diagnosis}\n```\n"
    noted = [_in_full(each) for each in diagnosis.notes]
    return ["## A run and its verdict\n", words, verdict, *noted, _figure(run), ""]


def _in_full(note: Finding) -> str:
    """Return what a verdict cuts off of a note: the rest of its message, and what to try."""
    tried = "\n".join(f"- {plain(str(remedy))}" for remedy in note.remedies)
    return f"In full: {plain(note.message)}\n\nWhat it proposes:\n\n{tried}\n"


def _trained(code: str) -> tuple[str, Run] | None:
    """Train the first case of the corpus that has this fault alone; three seeds."""
    for case in corpus.load("tune"):
        if case.required == (code,) == case.roots:
            run = corpus.train(case).run
            findings = diagnose(run).findings
            if findings and findings[0].rule == code:
                return f"{_described(case)}.", run
    return None


def _described(case: corpus.Case) -> str:
    planted = f", with this planted: `{case.plant}`" if case.plant else ""
    told = ", ".join(f"`{name}={value}`" for name, value in case.training.items())
    hidden = (
        f"{case.depth} hidden layers of {case.width} units" if case.depth else "no hidden layer"
    )
    return (
        f'A training of the [corpus](../../how-truth-is-measured.md#the-corpus), "{case.name}": '
        f"`{case.network}`, {hidden}, on {case.data}{planted}; {told}"
    )


def _made(code: str) -> tuple[str, Run] | None:
    """Return a run whose recorded numbers were written by hand, with this fault among them."""
    for planted, (of, make) in MADE.items():
        if of == code:
            words = f"A record of four layers, made by hand, with one fault planted: {planted}."
            return words, make()
    return None


def _figure(run: Run) -> str:
    diagnosis = diagnose(run)
    figures = draw_pictures(run, diagnosis, Detail.of([run]))
    root = diagnosis.findings[0]
    key = choose_picture(root, list(figures))
    spec = figures.get(key)
    if spec is None:
        return ""
    if "data" not in spec:  # one figure a statistic
        spec = next(
            (spec[name] for name in root.columns if name in spec), next(iter(spec.values()))
        )
    return f"```{{raw}} html\n{figures_html.element(spec)}\n```"
