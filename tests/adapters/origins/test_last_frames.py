"""The ranges of what modules answered last, measured in more ways than one."""

import pytest

torch = pytest.importorskip("torch")

from gradlab.adapters.torch.observe.hooks import Guard  # noqa: E402
from gradlab.adapters.torch.origin.frames import range_of  # noqa: E402
from gradlab.adapters.torch.origin.last_frames import (  # noqa: E402
    SMALL,
    TOGETHER,
    LastFrames,
)


def raised(error):
    raise error


def rows_after(*answers, dtype=torch.float32):
    """The rows of one iteration in which a model's layers gave these answers."""
    model = torch.nn.Sequential(*(torch.nn.Identity() for _ in answers))
    frames = LastFrames(model, Guard(raised), looks=True)
    frames.attach(0)
    for layer, answer in zip(model, answers, strict=True):
        layer(answer.to(dtype))
    frames.detach()
    return frames.rows(before=1)[0]["rows"]


@pytest.mark.parametrize("entries", [1, 7, SMALL, SMALL + 1, TOGETHER, 2 * TOGETHER + 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_answers_of_every_size_have_their_smallest_and_largest_number(entries, dtype):
    answer = torch.randn(entries, generator=torch.Generator().manual_seed(entries)).to(dtype)
    expected = [float(answer.abs().min()), float(answer.abs().max())]
    assert rows_after(answer, dtype=dtype)[0]["output"] == expected


@pytest.mark.parametrize("entries", [8, 2 * TOGETHER])
@pytest.mark.parametrize(("number", "word"), [(float("nan"), "nan"), (float("-inf"), "inf")])
def test_a_number_that_is_not_finite_is_said_so(entries, number, word):
    answer = torch.ones(entries)
    answer[-1] = number
    assert rows_after(answer)[0]["output"][1] == word


def test_an_answer_whose_memory_has_gaps_is_measured_like_any_other():
    whole = torch.randn(2 * SMALL, 2, generator=torch.Generator().manual_seed(0))
    answer = whole[:, 0]
    assert rows_after(answer)[0]["output"] == [float(each) for each in range_of(answer)]


def iterations_seen(calm):
    """Which of every tenth iteration are looked at, where gradients are calm or are not."""
    layer = torch.nn.Identity()
    frames = LastFrames(torch.nn.Sequential(layer), Guard(raised), looks=True)
    frames.calm = calm
    for iteration in range(0, 300, 10):
        frames.attach(iteration)
        layer(torch.ones(3))
        frames.detach()
        yield from (row["iteration"] for row in frames.rows(before=iteration + 1)[-1:])


def test_while_gradients_are_calm_what_is_known_may_be_a_fifth_of_the_training_old():
    expected = [0, 10, 20, 30, 40, 50, 70, 90, 120, 150, 190, 240, 290]
    assert sorted(set(iterations_seen(calm=True))) == expected


def test_where_gradients_rise_every_measured_iteration_is_looked_at():
    assert sorted(set(iterations_seen(calm=False))) == list(range(0, 300, 10))
