"""Options as data: written once, read by Python's functions and the command line alike."""

import inspect
import subprocess
import sys
from dataclasses import dataclass, fields

import pytest

import gradlab
from gradlab.cli.application import application
from gradlab.errors import ArgumentError
from gradlab.nn import clipping, losses, optimizers, schedules
from gradlab.options import TrainingOptions, given, option, option_of, takes
from gradlab.ranges import COUNT

NAMES = [each.name for each in fields(TrainingOptions)]

PLANTED = """
import dataclasses, sys
from gradlab import options
from gradlab.ranges import AT_LEAST_0

field = options.option(0.0, "A planted option.", allowed=AT_LEAST_0)
options.TrainingOptions = dataclasses.make_dataclass(
    "TrainingOptions", [("planted", float, field)], bases=(options.TrainingOptions,), frozen=True
)
"""


def planted(code, folder):
    """Run code where `TrainingOptions` has one more field, written in that one place."""
    done = subprocess.run(
        [sys.executable, "-c", PLANTED + code], capture_output=True, text=True, cwd=folder
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("name", ["train", "compare"])
def test_a_new_option_is_a_keyword_of_the_function(name, tmp_path):
    code = (
        f"import gradlab, inspect; print(inspect.signature(gradlab.{name}).parameters['planted'])"
    )
    assert planted(code, tmp_path) == "planted: float = 0.0\n"


@pytest.mark.parametrize("name", ["train", "compare"])
def test_a_new_option_is_documented(name, tmp_path):
    code = f"import gradlab; print(gradlab.{name}.__doc__)"
    expected = (
        "    planted : float, default 0.0\n        A planted option. A number of at least 0.\n"
    )
    assert expected in planted(code, tmp_path)


@pytest.mark.parametrize("name", ["train", "compare"])
def test_a_new_option_is_one_of_the_command(name, tmp_path):
    code = f"from gradlab import cli; cli.run(['{name}', '--help'])"
    (line,) = [line for line in planted(code, tmp_path).splitlines() if "--planted" in line]
    assert line.split() == ["--planted", "X", "A", "planted", "option.", "[default:", "0.0]"]


def test_a_new_option_is_recorded_with_its_value(tmp_path):
    code = """
from gradlab import cli, load
cli.run("train --planted 0.5 --depth 1 --width 4 --seeds 1 --iterations 2".split())
from pathlib import Path
print(load(next(Path("runs").iterdir())).config["planted"])
"""
    shown = subprocess.run(
        [sys.executable, "-c", PLANTED + code], capture_output=True, text=True, cwd=tmp_path
    )
    assert shown.stdout.splitlines()[-1] == "0.5"


@pytest.mark.parametrize("name", ["train", "compare"])
def test_functions_take_every_option_as_a_keyword(name):
    parameters = inspect.signature(getattr(gradlab, name)).parameters
    assert [each for each in parameters if each in NAMES] == NAMES
    for each in fields(TrainingOptions):
        assert parameters[each.name].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters[each.name].default == each.default


@pytest.mark.parametrize("name", ["train", "compare"])
def test_commands_take_every_option(name):
    (command,) = [each for each in application().registered_commands if each.name == name]
    assert set(NAMES) < set(inspect.signature(command.callback).parameters)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("loss", losses.LOSSES),
        ("optimizer", optimizers.OPTIMIZERS),
        ("schedule", schedules.HYPERPARAMETERS),
        ("clip", clipping.HYPERPARAMETERS),
    ],
)
def test_the_names_that_an_option_allows_are_those_the_engine_knows(name, known):
    (each,) = [each for each in fields(TrainingOptions) if each.name == name]
    assert set(option_of(each).allowed) == set(known)


@pytest.mark.parametrize("each", fields(TrainingOptions), ids=lambda each: each.name)
def test_every_option_says_what_it_is_for(each):
    assert option_of(each).help.endswith(".")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"learning_rate": 0}, "learning_rate=0 must be a number above 0"),
        ({"learning_rate": True}, "learning_rate=True must be a number above 0"),
        ({"learning_rate": float("inf")}, "learning_rate=inf must be a number above 0"),
        ({"learning_rate": 10**400}, "learning_rate=1000"),
        ({"batch_size": 5.0}, "batch_size=5.0 must be a whole number of at least 1"),
        ({"iterations": -1}, "iterations=-1 must be a whole number of at least 0"),
        ({"label_smoothing": 1}, "label_smoothing=1 must be a number of at least 0 and below 1"),
        ({"optimizer": "adm:beta1=0.8"}, "optimizer='adm' is unknown; did you mean 'adam'?"),
        ({"optimizer": None}, "optimizer=None is unknown"),
        ({"loss": "cross-entropy"}, "did you mean 'cross_entropy'?"),
        ({"schedule": "cosin"}, "did you mean 'cosine'?"),
        ({"momentum": 0.9}, "momentum is no option of a training; choose one of: loss, optimizer"),
        (
            {"learn_rate": 0.9},
            "learn_rate is no option of a training; did you mean 'learning_rate'",
        ),
    ],
)
def test_what_is_not_allowed_is_one_sentence(values, sentence):
    with pytest.raises(ArgumentError, match=sentence.replace("?", r"\?")):
        given(TrainingOptions, values, "a training")


def test_equal_options_are_equal():
    assert TrainingOptions(learning_rate=1) == TrainingOptions(learning_rate=1.0)
    assert TrainingOptions(class_weights=[1, 2]) == TrainingOptions(class_weights=(1, 2))
    assert hash(TrainingOptions(class_weights=[1, 2])) == hash(
        TrainingOptions(class_weights=(1, 2))
    )


def test_options_cannot_be_taken_by_a_function_that_has_no_place_for_them():
    @dataclass(frozen=True)
    class Few:
        count: int = option(1, "How many.", allowed=COUNT)

    with pytest.raises(TypeError, match=r"must end in \*\*options"):

        @takes(Few)
        def count(other):
            return other


def test_the_order_of_the_help_is_that_of_the_fields():
    source = inspect.getsource(TrainingOptions)
    assert sorted(NAMES, key=lambda name: source.index(f"    {name}: ")) == NAMES
