"""Records of extreme numbers, and all that gradlab does with a record: judge, print, draw."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import zlib
from typing import Any
from xml.etree import ElementTree

import numpy as np
from hypothesis import strategies as st

import gradlab
from gradlab import Diagnosis, Run
from gradlab.cli.check_formats import FORMATS, Judged
from gradlab.cli.check_text import print_text
from gradlab.report import pack
from gradlab.report.data import build
from gradlab.run import STATISTICS
from gradlab.run.nonfinite import COLUMNS
from gradlab.run.tables import BLOCK_STATISTICS, STEP_STATISTICS, WORDS
from tests.fuzz.tally import Tally

NUMBERS = (
    0.0, -0.0, 1.0, -1.0, 0.5, 1e-3, 1e3, 5e-324, 1e-308, -1e-308, 1e-160, 1e160, 1e308, -1e308,
    1.7976931348623157e308, float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
FINITE = tuple(value for value in NUMBERS if np.isfinite(value))
NUMERIC_STEPS = tuple(name for name in STEP_STATISTICS if name not in WORDS)
TEXTS = st.text(max_size=12) | st.sampled_from(
    [
        "\x1b[2J",
        "\n::error::x",
        "</script><b>",
        "javascript:x",
        "../..",
        "a" * 300,
        "\u202e",
        "𝔘",
        "",
    ]
)

# -- a random record


@st.composite
def parts(draw: st.DrawFn) -> dict[str, Any]:
    """What `Run.from_arrays` takes: some statistics, in numbers that are extreme or not."""
    times, seeds = draw(st.integers(0, 40)), draw(st.integers(1, 3))
    layers = draw(st.integers(1, 5))
    pool = draw(st.sampled_from([NUMBERS, FINITE, (0.0,), (1e308,), (5e-324,), (1.0, 2.0, 3.0)]))
    rng = np.random.default_rng(draw(st.integers(0, 999)))

    def array(*shape: int) -> np.ndarray:
        return rng.choice(np.array(pool), size=shape)

    chosen = draw(st.lists(st.sampled_from(STATISTICS), min_size=1, unique=True))
    steps = draw(st.lists(st.sampled_from(NUMERIC_STEPS), unique=True))
    signals = {name: array(times, seeds, layers) for name in chosen}
    recorded = {
        name: rng.random((times, seeds, layers)) < 0.7
        for name in draw(st.lists(st.sampled_from(chosen), unique=True, max_size=2))
    }
    blocks = draw(st.integers(0, 2))
    streams = draw(st.lists(st.sampled_from(BLOCK_STATISTICS), unique=True)) if blocks else []
    stage = [(t, 0, 0, "softmax", float(rng.choice(pool))) for t in range(min(times, 2))]
    return {
        "signals": signals,
        "recorded": recorded,
        "steps": {name: array(times, seeds) for name in steps},
        "name": draw(TEXTS),
        "config": draw(CONFIGS),
        "layers": [
            {"name": draw(TEXTS), "path": draw(TEXTS), "fan_in": 4, "fan_out": 4}
            for _ in range(layers)
        ],
        "blocks": [{"block": f"blocks.{number}"} for number in range(blocks)],
        "block_signals": {name: array(times, seeds, blocks) for name in streams},
        "output_stage": stage if draw(st.booleans()) else [],
    }


KNOWN_KEYS = (
    "activation", "depth", "width", "init", "gain", "optimizer", "learning_rate", "batch_size",
    "iterations", "baseline_loss", "loss", "objective", "criterion", "parameters", "framework",
    "schedule", "clip", "classes", "epsilon", "norm", "residual", "dropout", "seeds",
)  # fmt: skip
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 10**20)
    | st.sampled_from(FINITE)
    | TEXTS
    | st.lists(st.integers(-1, 3), max_size=3)
    | st.dictionaries(TEXTS, st.integers(-1, 3), max_size=2)
)
CONFIGS = st.dictionaries(st.sampled_from(KNOWN_KEYS) | TEXTS, VALUES, max_size=5)


def attempt(given: dict[str, Any], tally: Tally) -> None:
    """Make a record of these parts and do all that gradlab does with it."""
    tally.attempt(repr(given), lambda: judge(Run.from_arrays(**given)))


# -- what is done with a record


def judge(run: Run) -> None:
    """Judge, print, write and draw a record."""
    diagnosis = gradlab.diagnose(run)
    crashed = {
        code: diagnosis.reasons.get(code)
        for code, status in diagnosis.statuses.items()
        if status == "crashed"
    }
    assert not crashed, crashed
    assert not (run.nonfinite.any() and diagnosis.ok), "not finite, and healthy"
    write(run, diagnosis)
    first, last = 0, max(run.iterations - 1, 0)
    for finding in diagnosis.findings:
        assert first <= finding.iterations[0] <= finding.iterations[1] <= last, finding
    draw(run)


def write(run: Run, diagnosis: Diagnosis) -> None:
    """Write a verdict in every form."""
    str(diagnosis), diagnosis._repr_html_(), str(run), run._repr_html_()
    written = {form: FORMATS[form]([Judged(run, diagnosis)]) for form in FORMATS}
    strictly(written["json"])
    ElementTree.fromstring(written["junit"])
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        print_text([Judged(run, diagnosis)], verbose=True)
    for shown in (printed.getvalue(), written["github"]):
        assert not set("\x1b\x07\u202e") & set(shown)


def draw(run: Run) -> None:
    """Draw a report's pictures: what the page is given is JSON that a browser reads."""
    packed = pack.payload(build(run))
    strictly(zlib.decompress(base64.b64decode(packed)).decode())
    if run.iterations:
        for picture in (gradlab.figures.loss, gradlab.figures.gradient_profile):
            strictly(picture(run).to_json())


def strictly(text: str) -> Any:
    """Read JSON as a browser does, to which NaN and infinity are no numbers."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


# -- a healthy record with one number that is none

PLACES = (
    *(("signal", name) for name in COLUMNS),
    *(("step", name) for name in NUMERIC_STEPS if name != "skipped_steps"),
    *(("block", name) for name in BLOCK_STATISTICS if not name.endswith("log_gain")),
)


def planted(place: tuple[str, str], value: float, at: int) -> Run:
    """Return a healthy run with one number that is not finite."""
    from tests.rules.runs import make_run

    kind, name = place
    signals, steps, blocks = {}, {}, {"stream_rms": 1.0}
    if kind == "signal":
        usual = np.array(make_run()[name])
        signals[name] = np.where(np.isnan(usual), 0.0, usual)
        signals[name][at, 0, 1] = value
    elif kind == "step":
        steps[name] = np.array(make_run().step(name))
        steps[name] = np.ma.array(np.where(np.isnan(steps[name]), 0.5, steps[name]))
        steps[name][at, 0] = value  # masked nowhere: recorded
    else:
        blocks[name] = np.ones((60, 2, 2))
        blocks[name][at, 0, 1] = value
    return make_run(blocks=("blocks.0", "blocks.1"), block_signals=blocks, steps=steps, **signals)


def check_planted(place: tuple[str, str], value: float, at: int) -> None:
    """Check that such a run is never called healthy."""
    diagnosis = gradlab.diagnose(planted(place, value, at))
    assert not diagnosis.ok, place
    assert "healthy" not in str(diagnosis).splitlines()[0]
