"""Which faults of the corpus one change of a fixed list undoes, and how well a net then does.

The label is given before anything is fixed: `UNDONE` names, for each kind of fault, the change that
takes the planted thing back. A case is curable if its counterfactual, the same training with that
change, answers held-out examples well (`LEARNED` of the way from guessing to perfect) where the
faulty one does not. The score is measured here, and asks no rule of gradlab.
"""

from __future__ import annotations

import dataclasses
import re
from functools import partial
from typing import Any

import numpy as np

import gradlab
from gradlab.datasets import Data
from tests.corpus.corpus import (
    Case,
    Tampering,
    make_data,
    make_model,
    plant_in_data,
    plant_in_model,
)

LEARNED = 0.5  # of the way from guessing to perfect answers
AS_WELL = 0.8  # of the counterfactual's: what a cure has to reach
USUAL_RATE = {"sgd": 0.03, "momentum": 0.005, "nesterov": 0.005, "adagrad": 0.02}
ADAPTIVE_RATE = 0.002
SLOW = 1e-5  # a learning rate below is a second fault


def undone(case: Case) -> list[Case]:
    """Return the counterfactuals: the case without its fault; none if no change of the list helps.

    The list: another initializer or activation, the start of weights or biases, the learning rate,
    epsilon, scaled data, a robust loss. What the list does not hold: code that freezes a layer or
    keeps gradients, and data that say nothing.
    """
    return [change(case) for change in UNDONE.get(case.fault, ())]


def _plain(case: Case, **options: Any) -> Case:
    own = {key: options.pop(key) for key in tuple(options) if key in Case.__dataclass_fields__}
    return dataclasses.replace(case, training=case.training | options, **own)


def _other_net(case: Case, activation: str) -> Case:
    """Take another activation for a sigmoid, and the usual weights for all others."""
    name, *rest = case.network.split(":")
    kept = [part for part in rest if re.match(r"(norm|residual|dropout)", part)]
    network = ":".join([activation if name == "sigmoid" else name, *kept])
    return _usual_rate(_plain(case, network=network))


def _usual_rate(case: Case) -> Case:
    """Take the usual rate where the case's is far too small."""
    if case.training["learning_rate"] >= SLOW:
        return case
    return _rate(case)


def _rate(case: Case) -> Case:
    name = str(case.training.get("optimizer", "sgd")).split(":")[0]
    return _plain(case, learning_rate=USUAL_RATE.get(name, ADAPTIVE_RATE))


def _without_plant(case: Case) -> Case:
    return _plain(case, plant="")


def _slower(case: Case) -> Case:
    if case.data in ("exact line", "noisy line"):
        return _plain(case, learning_rate=0.1)
    return _rate(case)


def _epsilon(case: Case) -> Case:
    return _plain(case, optimizer=str(case.training["optimizer"]).split(":")[0])


_NETS = (partial(_other_net, activation="relu"), partial(_other_net, activation="tanh"))
UNDONE = {
    "vanishing": _NETS,
    "exploding": _NETS,
    "non-finite": (_without_plant,),
    "dead": (_without_plant,),
    "saturated": (_without_plant,),
    "lost": (_rate,),
    "diverging": (_slower,),
    "large": (_slower,),
    "unstable": (_slower,),
    "symmetric": (_without_plant,),
    "stalled": (_epsilon,),
    "spike": (lambda case: _plain(case, loss="huber"),),
}
"""Fault -> what takes it back. Frozen, stale, uninformative and overfitted cases are missing: no
change of options undoes them."""


def train_once(case: Case, data: Data, replicates: int) -> tuple[gradlab.Run, Any]:
    """Train a case on given data with its fault planted; return the record and the model."""
    model = make_model(case, data, replicates)
    plant_in_model(case, model)
    with Tampering(case, model), np.errstate(all="ignore"):
        run = gradlab.train(model, data, name=case.name, validate_every=50, **case.training)
    return run, model


def data_of(case: Case) -> Data:
    """Return the data of a case, its fault planted."""
    return plant_in_data(case, make_data(case))


def skill(model: Any, data: Data) -> float:
    """Return how far the median seed is from guessing (0) to perfect (1) on held-out examples."""
    with np.errstate(all="ignore"):
        answers = np.asarray(model.predict(data.x_test), np.float64)
    values = []
    for each in answers:
        if not np.isfinite(each).all():
            values.append(-np.inf)
        elif data.task == "classification":
            chosen = each.argmax(axis=1) if each.shape[1] > 1 else each[:, 0] > 0
            guess = np.bincount(data.y_test).max() / len(data.y_test)
            values.append(((chosen == data.y_test).mean() - guess) / (1 - guess))
        else:
            # By median errors, so that a planted outlier does not decide.
            off = np.abs(each - data.y_test.reshape(each.shape))
            usual = np.abs(data.y_test - np.median(data.y_test))
            values.append(1 - float(np.square(np.median(off) / np.median(usual))))
    return float(np.median(values))
