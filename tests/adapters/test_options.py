"""`WatchOptions`: each option in one place, shown where `watch` is called."""

import inspect
from dataclasses import FrozenInstanceError, fields

import pytest

pytest.importorskip("torch")

import torch

from gradlab.adapters.torch import WatchOptions, watch
from gradlab.errors import ArgumentError
from tests.adapters.loops import mlp, watched


def test_the_signature_of_watch_shows_every_option_with_its_default():
    parameters = inspect.signature(watch).parameters
    assert list(parameters)[:2] == ["model", "optimizer"]
    shown = {name: each.default for name, each in list(parameters.items())[2:]}
    assert shown == {each.name: each.default for each in fields(WatchOptions)}
    assert all(each.kind is each.KEYWORD_ONLY for each in list(parameters.values())[2:])


def test_help_describes_every_option():
    for each in fields(WatchOptions):
        assert f"\n    {each.name} : " in watch.__doc__
    assert "{options}" not in watch.__doc__


def test_options_are_frozen():
    with pytest.raises(FrozenInstanceError):
        WatchOptions().every = 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"evry": 3}, "no option 'evry'; did you mean 'every'"),
        ({"every": 0}, "every=0"),
        ({"every": True}, "every=True"),
        ({"objective": "rise"}, "objective='rise' is unknown"),
        ({"on_nonfinite": "explode"}, "on_nonfinite='explode' is unknown"),
        ({"blocks": 3}, "blocks=3 must be the path"),
        ({"baseline_loss": float("nan")}, "baseline_loss=nan"),
        ({"config": 3}, "config=3 must be a dict"),
        ({"out": 3}, "out=3 must be the path of a folder"),
        ({"modules": 1}, "modules=1 must be True or False"),
        ({"name": 3}, "name=3 must be a text"),
    ],
)
def test_a_wrong_option_gets_one_sentence(options, words):
    model = mlp(6, 8, 3)
    with pytest.raises(ArgumentError, match=words.replace("(", r"\(")):
        watch(model, torch.optim.SGD(model.parameters(), 0.1), **options)


def test_what_the_user_tells_goes_into_the_config_before_what_is_found():
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    run = watched(
        model, optimizer, objective="moving", baseline_loss=1, config={"optimizer": "mine"}
    )
    assert run.config["objective"] == "moving"
    assert run.config["baseline_loss"] == 1.0
    assert run.config["optimizer"] == "mine"
