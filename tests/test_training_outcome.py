"""How a training ended: outcome and accuracy of each seed."""

import numpy as np

from gradlab.diagnosis import accuracy, outcome, outcomes
from tests.rules.runs import make_run


def test_outcomes_on_either_side_of_their_limits():
    ends = 2.3 * np.array([0.1, 0.499, 0.501, 0.974, 0.976, 2.0])
    loss = np.broadcast_to(ends, (60, 6)).copy()
    loss[:10] += 1.0  # each seed but the last falls below its own start
    run = make_run(60, 6, steps={"loss": loss})
    assert outcomes(run) == ["learned", "learned", "slow", "slow", "not learned", "not learned"]


def test_of_a_tie_the_worse_outcome_counts():
    loss = np.broadcast_to(2.3 * np.array([0.1, 2.0]), (60, 2))
    assert outcome(make_run(60, 2, steps={"loss": loss})) == "not learned"


def test_a_seed_that_ended_in_nan_has_learned_nothing_and_has_no_accuracy():
    loss = np.full((60, 2), 0.1)
    loss[:10] = 2.3
    loss[50:, 1] = np.nan
    run = make_run(60, steps={"loss": loss, "validation_accuracy": 0.97})
    assert outcomes(run) == ["learned", "not learned"]
    assert accuracy(run) == [0.97, None]
