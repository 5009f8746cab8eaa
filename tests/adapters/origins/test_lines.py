"""Autograd writes lines down only while somebody wants them, and the user's own wish stands."""

import gc

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from gradlab.adapters.torch import watch  # noqa: E402
from gradlab.adapters.torch.origin import lines  # noqa: E402


class Wish:
    """Somebody who wants lines."""


def is_on():
    return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


def test_lines_end_with_the_last_who_wants_them():
    first, second, before = Wish(), Wish(), is_on()
    lines.want(first)
    lines.want(second)
    lines.want_no_more(first)
    assert is_on() == (True, False)
    lines.want_no_more(second)
    assert is_on() == before


def test_whoever_is_gone_wants_no_lines():
    wish, before = Wish(), is_on()
    lines.want(wish)
    del wish
    gc.collect()
    assert is_on() == before


@pytest.mark.filterwarnings("ignore:Anomaly Detection:UserWarning")
def test_the_users_own_anomaly_detection_stays():
    wish, before = Wish(), is_on()
    with torch.autograd.detect_anomaly():
        lines.want(wish)
        lines.want_no_more(wish)
        assert is_on() == (True, True)
    lines.want(wish)
    with torch.autograd.detect_anomaly():
        lines.want_no_more(wish)
        assert is_on() == (True, True)
    lines.want_no_more(wish)
    assert is_on() == before


def test_two_watched_models_in_one_loss_turn_it_off_again(tmp_path):
    """The generator's pass comes first, and the lines of both end with `backward`."""
    generator, critic, before = nn.Linear(4, 4), nn.Linear(4, 1), is_on()
    makes = torch.optim.SGD(generator.parameters(), 0.01)
    judges = torch.optim.SGD(critic.parameters(), 0.01)
    with (
        watch(generator, makes, out=tmp_path / "generator"),
        watch(critic, judges, out=tmp_path / "critic"),
    ):
        critic(generator(torch.ones(8, 4))).square().mean().backward()
        assert is_on() == before
        makes.step()
        judges.step()
    assert is_on() == before
