"""The Python interface with arguments of the wrong kind: each is a sentence that names it."""

from __future__ import annotations

import contextlib
import copy
import datetime
import decimal
import fractions
import functools
import importlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

import gradlab
from gradlab.errors import GradlabError
from gradlab.recorder import Recorder
from gradlab.report.data import build
from tests.fuzz.tally import Tally
from tests.rules.runs import make_run

Call = Callable[..., Any]


class Odd:
    """Something whose every use fails."""

    def __bool__(self):
        raise RuntimeError("no truth")

    def __eq__(self, other):
        raise RuntimeError("no equality")

    def __repr__(self):
        return "<odd>"

    __hash__ = object.__hash__


class BytesPath:
    """A path whose name is no text."""

    def __fspath__(self):
        return b"x"


def recursive() -> list[Any]:
    """Return a list that holds itself."""
    made: list[Any] = []
    made.append(made)
    return made


HOSTILE: dict[str, Any] = {
    "None": None,
    "True": True,
    "-1": -1,
    "0": 0,
    "1": 1,
    "1.5": 1.5,
    "nan": float("nan"),
    "inf": float("inf"),
    "1e30": 1e30,
    "1e90": 1e90,
    "1e-90": 1e-90,
    "10**30": 10**30,
    "10**400": 10**400,
    "1j": 1j,
    "''": "",
    "'3'": "3",
    "'auto'": "auto",
    "a text of 5000": "x" * 5000,
    "half a surrogate": "\ud800",
    "a null byte": "a\0b",
    "a control": "\x1b[2J\n",
    "bytes": b"x",
    "[]": [],
    "[5]": [5],
    "[None]": [None],
    "['a']": ["a"],
    "[[1], [2, 3]]": [[1], [2, 3]],
    "(1, 2)": (1, 2),
    "{}": {},
    "{'a': 1}": {"a": 1},
    "{1: 2}": {1: 2},
    "a set": {1, 2},
    "a range": range(3),
    "an object": object(),
    "an odd object": Odd(),
    "a function": lambda *_, **__: None,
    "a class": int,
    "a function of nothing": lambda: None,
    "2**40": 2**40,
    "1e308": 1e308,
    "5e-324": 5e-324,
    "a fraction": fractions.Fraction(1, 3),
    "a decimal": decimal.Decimal(1),
    "a bytearray": bytearray(b"x"),
    "a path of bytes": BytesPath(),
    "a list in itself": recursive(),
    "a list of odd": [Odd()],
    "a list of classes": [int],
    "[True]": [True],
    "[[]]": [[]],
    "[{}]": [{}],
    "[('a', 1)]": [("a", 1)],
    "[10**400]": [10**400],
    "NA": pd.NA,
    "NaT": pd.NaT,
    "a true of NumPy": np.True_,
    "an int without axes": np.array(3),
    "a complex array": np.array([1j]),
    "a structured array": np.zeros(2, [("a", int)]),
    "an array of odd": np.array([Odd()], object),
    "a large array": np.ones((3, 4, 5, 6)),
    "a day": np.datetime64("2026-01-01"),
    "dots": ...,
    "a slice": slice(None),
    "an iterator": iter([1, 2]),
    "an array": np.arange(3.0),
    "an empty array": np.array([]),
    "an array of nan": np.array([np.nan]),
    "an array without axes": np.array(3.0),
    "a masked array": np.ma.masked_all(3),
    "a big-endian array": np.arange(3, dtype=">f8"),
    "an array of texts": np.array(["a", "b"]),
    "an array of objects": np.array([None, {}], object),
    "float16": np.float16(2),
    "int64": np.int64(2),
    "a frame": pd.DataFrame({"a": [1, 2]}),
    "a series": pd.Series([1, 2]),
    "a time": datetime.datetime(2026, 1, 1),
    "a path": Path("x"),
    "an exception": ValueError("x"),
}


@dataclass(frozen=True)
class Target:
    """A function of the public interface, with arguments that it takes."""

    name: str
    function: Call
    usual: Mapping[str, Any]
    spared: tuple[str, ...] = ()


@functools.cache
def things() -> dict[str, Any]:
    """Return what functions are given: a run, data, a network."""
    with contextlib.suppress(ModuleNotFoundError):  # now, before any input's time is measured
        importlib.import_module("sklearn.datasets")
    data = gradlab.datasets.blobs(40, classes=3, features=2)
    run = make_run(12)
    trained = gradlab.train(_model(), data, batch_size=8, iterations=2, learning_rate=1e-9)
    return {"run": run, "data": data, "diagnosis": gradlab.diagnose(run), "trained": trained}


def _model() -> gradlab.MLP:
    return gradlab.MLP([2, 3, 3], seed=0)


def _train(**options: Any) -> Any:
    return gradlab.train(_model() if "model" not in options else options.pop("model"), **options)


def _recorder(**options: Any) -> None:
    recorder = Recorder(**options)
    recorder.close()
    _read_again(recorder.run)


def _read_again(run: gradlab.Run) -> None:
    """Save a run and load it: what is taken can be read."""
    with tempfile.TemporaryDirectory() as name:
        gradlab.load(run.save(Path(name) / "run"))


WEIGHTS = [np.ones((2, 2))]


def _layer(**more: Any) -> dict[str, Any]:
    return {"fan_in": 2, "fan_out": 2, **more}


def _block(**more: Any) -> dict[str, Any]:
    return {"block": "b", **more}


def _record(**options: Any) -> None:
    recorder = Recorder([{"fan_in": 2, "fan_out": 2}])
    try:
        recorder.record(**options)
    except GradlabError:
        assert recorder.iterations == 0
        raise
    finally:
        recorder.close()


def _add(**options: Any) -> None:
    recorder = Recorder([{"fan_in": 2, "fan_out": 2}], blocks=[{"block": "b"}], weights=1)
    try:
        recorder.add(**options)
    except GradlabError:
        assert recorder.iterations == 0
        raise
    finally:
        recorder.close()


def _add_block(**options: Any) -> None:
    recorder = Recorder([{"fan_in": 2, "fan_out": 2}], blocks=[{"block": "b"}], weights=1)
    try:
        recorder.add_block(**options)
    except GradlabError:
        assert recorder.iterations == 0
        raise
    finally:
        recorder.close()


def _from_arrays(**options: Any) -> None:
    run = gradlab.Run.from_arrays(**options)
    str(run), run.nonfinite, run.steps, run.blocks
    _read_again(run)


def _save(path: Any) -> None:
    things()["run"].save(path)


def _note(**options: Any) -> None:
    recorder = Recorder([{"fan_in": 2, "fan_out": 2}])
    try:
        recorder.note(**options)
    finally:
        recorder.close()


def _method(name: str) -> Call:
    return lambda value: getattr(things()["run"], name)(value)


def _inside(call: Call, argument: str, around: Call, usual: Mapping[str, Any]) -> Call:
    """Return `call` with the argument `value` inside of another one."""
    return lambda value: call(**{**usual, argument: around(value)})


def _figure(name: str) -> Call:
    return lambda **options: getattr(gradlab.figures, name)(**options).to_json()


def targets() -> list[Target]:
    """Return what is called."""
    run, data = things()["run"], things()["data"]
    ones = np.ones((4, 1, 2))
    train = {
        "data": data, "loss": "cross_entropy", "optimizer": "sgd", "learning_rate": 0.1,
        "batch_size": 8, "iterations": 2, "schedule": "constant", "clip": "norm:most=1", "l1": 0.0,
        "l2": 0.0, "class_weights": "balanced", "label_smoothing": 0.1, "name": "x", "out": None,
        "overwrite": False, "every": 1, "weights": 5, "validate_every": 1, "on_step": None,
    }  # fmt: skip
    recorder = {
        "layers": [{"fan_in": 2, "fan_out": 2}], "name": "x", "config": {"a": 1},
        "provenance": {"a": 1}, "replicates": 1, "out": None, "every": 1, "weights": 5, "seed": 0,
        "overwrite": False, "blocks": [{"block": "b"}], "histograms": False,
    }  # fmt: skip
    record = {
        "loss": 1.0, "learning_rate": 0.1, "weights": WEIGHTS, "weights_after": WEIGHTS,
        "gradients": WEIGHTS, "validation": (1.0, 0.5), "last": False, "block_signals": None,
        "output_stage": [("softmax", 1.0)], "batch": np.ones((3, 2)), "deltas": [np.ones((3, 2))],
        "preactivations": [np.ones((3, 2))], "activations": [np.ones((3, 2))],
        "biases": [np.ones((1, 2))], "others": [np.ones((1, 2))], "second_moments": WEIGHTS,
        "second_moment_scale": 1.0, "clipped_grad_norm": 1.0, "score": 1.0,
    }  # fmt: skip
    add = {
        "columns": {"grad_norm": [1.0]}, "loss": 1.0, "learning_rate": 0.1, "phase": None,
        "followed": [1.0], "block_signals": {"stream_rms": [1.0]}, "score": 1.0,
        "output_stage": [("softmax", 1.0)], "histogram": None,
    }  # fmt: skip
    block = {
        "columns": {"grad_norm": [[1.0], [2.0]]}, "steps": {"loss": [1.0, 2.0]},
        "phases": [None, None], "followed": (np.array([0]), np.array([[1.0]])),
        "block_signals": {"stream_rms": [[1.0], [2.0]]}, "output_stage": {0: [("softmax", 1.0)]},
        "histograms": None,
    }  # fmt: skip
    arrays = {
        "signals": {"grad_norm": ones}, "steps": {"loss": np.ones((4, 1))},
        "layers": [{"name": "a"}, {"name": "b"}], "name": "x", "config": {"a": 1},
        "provenance": {"a": 1}, "recorded": {"grad_norm": ones > 0}, "blocks": [{"block": "b"}],
        "block_signals": {"stream_rms": np.ones((4, 1, 1))},
        "output_stage": [(0, 0, 0, "softmax", 1.0)], "histograms": None,
    }  # fmt: skip
    page = {"subject": run, "path": "x.html"}
    mlp = {
        "sizes": [2, 3, 3], "activation": "relu", "init": "he_normal", "gain": 1.0, "seed": 0,
        "replicates": 2, "dtype": "float64", "norm": None, "residual": None, "dropout": 0.0,
    }  # fmt: skip
    predict = {
        "sizes": [4, 4, 4, 4], "activation": "relu", "init": "he_normal", "gain": 1.0,
        "q_input": 1.0, "bias_variance": 0.0, "norm": None, "residual": None, "dropout": 0.0,
        "input_correlation": 0.0,
    }  # fmt: skip
    inside = [
        ("Recorder", _recorder, recorder, "layers", lambda v: [{"fan_in": v, "fan_out": 2}]),
        ("Recorder", _recorder, recorder, "layers", lambda v: [_layer(slope_bound=v)]),
        ("Recorder", _recorder, recorder, "layers", lambda v: [_layer(name=v)]),
        ("Recorder", _recorder, recorder, "layers", lambda v: [_layer(activation=v, kind=v)]),
        ("Recorder", _recorder, recorder, "layers", lambda v: [_layer(parameters=v)]),
        ("Recorder", _recorder, recorder, "config", lambda v: {"a": v}),
        ("Recorder", _recorder, recorder, "config", lambda v: {"baseline_loss": v}),
        ("Recorder", _recorder, recorder, "blocks", lambda v: [{"block": v}]),
        ("Recorder", _recorder, recorder, "blocks", lambda v: [{"block": "b", "layers": v}]),
        ("record", _record, record, "weights", lambda v: [v]),
        ("record", _record, record, "deltas", lambda v: [v]),
        ("record", _record, record, "validation", lambda v: (1.0, v)),
        ("record", _record, record, "output_stage", lambda v: [("softmax", v)]),
        ("record", _record, record, "block_signals", lambda v: {"stream_rms": v}),
        ("add", _add, add, "columns", lambda v: {"grad_norm": v}),
        ("add", _add, add, "block_signals", lambda v: {"stream_rms": v}),
        ("add", _add, add, "phase", lambda v: [v]),
        ("add_block", _add_block, block, "columns", lambda v: {"grad_norm": v}),
        ("add_block", _add_block, block, "steps", lambda v: {"loss": v}),
        ("add_block", _add_block, block, "phases", lambda v: [v, v]),
        ("add_block", _add_block, block, "followed", lambda v: (v, v)),
        ("add_block", _add_block, block, "output_stage", lambda v: {0: v}),
        ("Run.from_arrays", _from_arrays, arrays, "signals", lambda v: {"grad_norm": v}),
        ("Run.from_arrays", _from_arrays, arrays, "steps", lambda v: {"loss": v}),
        ("Run.from_arrays", _from_arrays, arrays, "steps", lambda v: {"nonfinite_phase": v}),
        ("Run.from_arrays", _from_arrays, arrays, "recorded", lambda v: {"grad_norm": v}),
        ("Run.from_arrays", _from_arrays, arrays, "block_signals", lambda v: {"stream_rms": v}),
        ("Run.from_arrays", _from_arrays, arrays, "output_stage", lambda v: [(0, 0, 0, "a", v)]),
        ("Run.from_arrays", _from_arrays, arrays, "layers", lambda v: [{"name": v}, {}]),
        ("Run.from_arrays", _from_arrays, arrays, "config", lambda v: {"a": v}),
        ("Run.from_arrays", _from_arrays, arrays, "provenance", lambda v: {"a": v}),
        ("Run.from_arrays", _from_arrays, arrays, "layers", lambda v: [{"fan_in": v}, {}]),
        ("Run.from_arrays", _from_arrays, arrays, "blocks", lambda v: [_block(layers=v)]),
        ("Run.from_arrays", _from_arrays, arrays, "blocks", lambda v: [_block(norm=v, path=v)]),
        ("diagnose", gradlab.diagnose, {"run": run}, "limits", lambda v: {"GL101": v}),
        ("diagnose", gradlab.diagnose, {"run": run}, "limits", lambda v: {"GL101": {"alarm": v}}),
        ("diagnose", gradlab.diagnose, {"run": run}, "mute", lambda v: {"GL101": v}),
        ("diagnose", gradlab.diagnose, {"run": run}, "select", lambda v: [v]),
        ("MLP", gradlab.MLP, {"activation": "relu"}, "sizes", lambda v: [2, v, 3]),
        ("write_report", gradlab.write_report, page, "links", lambda v: [("a", v)]),
        ("write_report", gradlab.write_report, page, "subject", lambda v: [run, v]),
    ]  # fmt: skip
    sets, theory, testing = gradlab.datasets, gradlab.theory, gradlab.testing
    return [
        Target("MLP", gradlab.MLP, mlp),
        Target("train", _train, {"model": _model(), **train}, ("iterations",)),
        Target(
            "audit",
            gradlab.audit,
            {"model": _model(), "data": data, "loss": "cross_entropy", "batch_size": 8},
        ),
        Target(
            "compare",
            gradlab.compare,
            {
                "networks": ["relu"],
                "depths": [1],
                "width": 2,
                "data": data,
                "seeds": 1,
                "jobs": 1,
                "runs": "runs",
                "force": False,
                "on_cell": None,
                "cluster": None,
                "iterations": 2,
                "batch_size": 8,
            },
            ("iterations",),
        ),
        Target(
            "diff",
            gradlab.diff,
            {"a": run, "b": run, "judge": None, "rounding": "float32", "offset": 0},
        ),
        Target(
            "fix",
            gradlab.fix,
            {
                "run": things()["trained"],
                "data": data,
                "budget": 0.01,
                "seconds": 0.2,
                "prepare": None,
                "train": None,
                "on_trial": None,
            },
            ("budget", "seconds"),
        ),
        Target("Recorder", _recorder, recorder),
        Target("record", _record, record),
        Target("add", _add, add),
        Target("add_block", _add_block, block),
        Target("note", _note, {"word": 1}),
        Target("Run.from_arrays", _from_arrays, arrays),
        Target("save", _save, {"path": "saved"}),
        Target("load", gradlab.load, {"path": "nothing"}),
        *(
            Target(f"Run.{name}", _method(name), {"value": "loss"})
            for name in (
                "layer",
                "recorded",
                "step",
                "step_recorded",
                "block_statistic",
                "__getitem__",
                "condensed",
            )
        ),
        Target(
            "diagnose",
            gradlab.diagnose,
            {
                "run": run,
                "select": ["GL1"],
                "ignore": ["GL101"],
                "rules": None,
                "limits": {},
                "mute": {},
            },
        ),
        Target(
            "write_report",
            gradlab.write_report,
            {
                "subject": run,
                "path": "x.html",
                "judge": None,
                "links": [("a", "b.html")],
                "layers": "",
            },
        ),
        Target("build", build, {"subject": run, "layers": ""}),
        Target(
            "datasets.blobs",
            sets.blobs,
            {"n": 20, "classes": 3, "features": 2, "spread": 1.0, "shares": None, "seed": 0},
        ),
        Target("datasets.circles", sets.circles, {"n": 20, "noise": 0.1, "seed": 0}),
        Target(
            "datasets.course_function", sets.course_function, {"n": 20, "noise": 0.1, "seed": 0}
        ),
        Target("datasets.linear", sets.linear, {"n": 20, "features": 3, "noise": 0.1, "seed": 0}),
        Target("datasets.digits", sets.digits, {"seed": 0, "test_fraction": 0.2}),
        Target("datasets.bundled", sets.bundled, {"name": "iris", "seed": 0, "test_fraction": 0.2}),
        Target(
            "datasets.from_file",
            sets.from_file,
            {"path": "table.csv", "target": "label", "test_fraction": 0.2, "seed": 0, "task": None},
        ),
        Target(
            "datasets.split",
            sets.split,
            {
                "name": "x",
                "x": np.ones((9, 2)),
                "y": np.arange(9) % 3,
                "seed": 0,
                "test_fraction": 0.2,
                "classes": (),
                "feature_names": (),
                "per_feature": True,
            },
        ),
        Target(
            "datasets.Data",
            sets.Data,
            {
                "name": "x",
                "x_train": np.ones((9, 2)),
                "y_train": np.arange(9) % 3,
                "x_test": np.ones((3, 2)),
                "y_test": np.arange(3),
                "classes": (),
                "feature_names": (),
            },
        ),
        Target("theory.predict", theory.predict, predict),
        Target(
            "theory.predict_stream",
            theory.predict_stream,
            {"blocks": [[theory.Branch((1.0,), "relu")]], "norm": "none", "q_input": 1.0},
        ),
        Target(
            "theory.critical_gain",
            theory.critical_gain,
            {"activation": "tanh", "init_variance": 1.0},
        ),
        Target("theory.dead_at_init", theory.dead_at_init, {"width": 4, "hidden_layers": 3}),
        Target(
            "theory.depth_below",
            theory.depth_below,
            {"activation": "sigmoid", "sigma_w2": 1.0, "threshold": 1e-6, "deepest": 100},
        ),
        Target(
            "theory.fixed_point",
            theory.fixed_point,
            {"activation": "tanh", "sigma_w2": 1.0, "bias_variance": 0.0},
        ),
        Target(
            "theory.silent_fraction",
            theory.silent_fraction,
            {"activation": "relu", "sizes": [4, 4, 4], "examples": 10, "input_correlation": 0.0},
        ),
        Target(
            "theory.weight_variance",
            theory.weight_variance,
            {"init": "he_normal", "fan_in": 3, "fan_out": 3, "gain": 1.0},
        ),
        *(
            Target(f"figures.{name}", _figure(name), {"run": run, "iteration": 0})
            for name in ("factors", "layer_statistics")
        ),
        Target(
            "figures.gradient_profile",
            _figure("gradient_profile"),
            {"run": run, "iteration": 0, "replay": 2},
        ),
        Target(
            "figures.gradient_profiles",
            _figure("gradient_profiles"),
            {"runs": [run], "names": ["a"], "iteration": 0},
        ),
        Target(
            "figures.heatmap",
            _figure("heatmap"),
            {"run": run, "column": "delta_norm", "columns": 9},
        ),
        Target(
            "figures.loss",
            _figure("loss"),
            {"run": run, "points": 9, "diagnosis": things()["diagnosis"]},
        ),
        Target(
            "figures.weights",
            _figure("weights"),
            {"run": run, "layers": [1], "lines": 9, "points": 9},
        ),
        Target(
            "testing.assert_gradient_bounds",
            testing.assert_gradient_bounds,
            {
                "run": run,
                "minimum": 0.0,
                "maximum": 9.0,
                "statistic": "grad_norm",
                "layers": None,
                "iterations": None,
                "quantile": 1.0,
            },
        ),
        Target(
            "testing.assert_ratio",
            testing.assert_ratio,
            {
                "run": run,
                "first_to_last": (0.1, 9.0),
                "statistic": "grad_norm",
                "layers": None,
                "iterations": None,
                "quantile": 1.0,
            },
        ),
        Target(
            "testing.assert_healthy",
            testing.assert_healthy,
            {"run": run, "select": None, "ignore": None, "strict": False, "folder": None},
        ),
        Target(
            "testing.assert_no_vanishing",
            testing.assert_no_vanishing,
            {"run": run, "strict": False},
        ),
        Target(
            "testing.assert_profile",
            testing.assert_profile,
            {
                "run": run,
                "path": "profile.json",
                "decades": 0.5,
                "statistic": "grad_norm",
                "update": True,
            },
        ),
        *(
            Target(f"{name}, in {argument}", _inside(call, argument, around, usual), {"value": 1})
            for name, call, usual, argument, around in inside
        ),
        *with_torch(),
    ]


def with_torch() -> list[Target]:
    """Return what needs PyTorch; nothing where it is not installed."""
    try:
        import torch
    except ModuleNotFoundError:
        return []
    from gradlab.adapters.torch import watch

    def watched(**options: Any) -> None:
        model = torch.nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        given = {"model": model, "optimizer": optimizer} | options
        with watch(**given) as recorder:
            for _ in range(2):
                loss = model(torch.ones(3, 2)).sum()
                loss.backward()
                optimizer.step()
                recorder.log(loss=loss)

    def logged(**options: Any) -> None:
        model = torch.nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        with watch(model, optimizer) as recorder:
            model(torch.ones(3, 2)).sum().backward()
            optimizer.step()
            recorder.log(**options)

    usual = {
        "out": None, "name": "x", "every": 1, "modules": True, "updates": True,
        "on_nonfinite": "record", "distributed": False, "baseline_loss": 1.0,
        "objective": "minimize", "blocks": None, "histograms": False, "config": {"a": 1},
        "weights": 5, "seed": 0, "overwrite": False,
    }  # fmt: skip
    log = {"loss": 1.0, "validation_loss": 1.0, "validation_accuracy": 0.5, "score": 1.0}
    return [Target("watch", watched, usual), Target("watch.log", logged, log)]


WRONG = st.sampled_from(sorted(HOSTILE))


@functools.cache
def _places() -> list[tuple[int, str]]:
    """Every argument of every target, so that each is as likely as any other."""
    return [
        (number, argument)
        for number, target in enumerate(targets())
        for argument in target.usual
        if argument not in target.spared
    ]


@st.composite
def calls(draw: st.DrawFn) -> tuple[int, dict[str, str]]:
    """A target by its number, and which of its arguments are hostile."""
    number, argument = draw(st.sampled_from(_places()))
    wrong = {argument: draw(WRONG)}
    if not draw(st.integers(0, 4)):
        others = [argument for other, argument in _places() if other == number]
        wrong[draw(st.sampled_from(others))] = draw(WRONG)
    return number, wrong


def fresh(value: str) -> Any:
    """Return a hostile value; an iterator that nobody has read yet."""
    found = HOSTILE[value]
    return copy.copy(found) if isinstance(found, Iterator) else found


def attempt(given: tuple[int, dict[str, str]], tally: Tally) -> None:
    """Call a function of the public interface in a folder of its own."""
    number, wrong = given
    target = targets()[number]
    options = {**target.usual, **{argument: fresh(value) for argument, value in wrong.items()}}
    before = Path.cwd()

    def act() -> None:
        try:
            target.function(**options)
        except GradlabError as error:
            if not any(_names(argument, str(error)) for argument in wrong):
                raise AssertionError(f"names none of {', '.join(wrong)}: {error}") from error
            raise
        except AssertionError:
            if not target.name.startswith("testing."):  # where it is the answer
                raise

    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        Path("table.csv").write_text(
            "a,b,label\n" + "".join(f"{k},{k},{k % 2}\n" for k in range(12))
        )
        try:
            tally.attempt(f"{target.name}({wrong})", act)
        finally:
            os.chdir(before)


ALSO_CALLED = {
    "model": ("MLP", "network"),
    "out": ("folder", "does", "is", "cannot"),
    "path": ("is", "cannot"),
    "subject": ("report",),
    "runs": ("runs",),
    "networks": ("network", "activation"),
    "depths": ("depth",),
    "x": ("data",),
    "y": ("data",),
    "x_train": ("data",),
    "y_train": ("data",),
    "x_test": ("data",),
    "y_test": ("data",),
    "class_weights": ("class",),
    "target": ("column",),
    "steps": ("loss",),
    "seeds": ("replicates",),
    "select": ("rule",),
    "ignore": ("rule",),
    "limits": ("rule",),
    "mute": ("rule",),
    "rules": ("Rule",),
    "run": ("cannot", "does not", "is not"),
}


def _names(argument: str, message: str) -> bool:
    """Whether a message tells which argument it is about."""
    if argument == "value":  # of a method, or inside of another argument
        return len(message) > 20
    words = (argument, argument.replace("_", " "), *ALSO_CALLED.get(argument, ()))
    return any(word in message for word in words)
