"""What an unknown value is answered with."""

import pytest

import gradlab
from gradlab import testing
from gradlab.comparison import Network
from gradlab.errors import ArgumentError, GradlabError, nearest, one_of, suggest
from gradlab.nn import optimizers
from gradlab.options import TrainingOptions
from tests.rules.runs import make_run

NAMES = ["sgd", "momentum", "adam", "adamw"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("adm", "adam"),
        ("ADAM", "adam"),
        ("Adam-W", "adamw"),
        ("momentun", "momentum"),
        ("lion", None),
        ("", None),
    ],
)
def test_the_nearest_known_name(typed, meant):
    assert nearest(typed, NAMES) == meant


@pytest.mark.parametrize("typed", [None, 3, ["adam"], "x" * 10**6])
def test_anything_may_be_typed(typed):
    assert suggest(typed, NAMES).endswith("one of: sgd, momentum, adam, adamw")


def test_a_near_name_is_asked_for_and_all_are_listed():
    with pytest.raises(ArgumentError) as raised:
        one_of("optimizer", "adm", NAMES)
    assert str(raised.value) == (
        "optimizer='adm' is unknown; did you mean 'adam'? Choose one of: adam, adamw, momentum, sgd"
    )


@pytest.mark.parametrize(("count", "ending"), [(20, "n19"), (21, "n19 and 1 more")])
def test_a_long_list_is_cut(count, ending):
    assert suggest("x", [f"n{k}" for k in range(count)]).endswith(ending)


RUN = make_run()


@pytest.mark.parametrize(
    ("look", "meant"),
    [
        (lambda: RUN["delta_nrm"], "delta_norm"),
        (lambda: RUN.step("los"), "loss"),
        (lambda: RUN.block_statistic("stream_rm"), "stream_rms"),
        (lambda: testing.assert_gradient_bounds(RUN, minimum=0.1, layers="hiden1"), "hidden1"),
        (lambda: gradlab.diagnose(RUN, select=["GL1001"]), "GL101"),
        (lambda: gradlab.MLP([2, 3], "rleu"), "relu"),
        (lambda: gradlab.MLP([2, 3], init="he_norml"), "he_normal"),
        (lambda: Network.parse("relu:nrm=batch"), "norm"),
        (lambda: Network.parse("relu:norm=btch"), "batch"),
        (lambda: TrainingOptions(optimizer="adm"), "adam"),
        (lambda: TrainingOptions(loss="crossentropy"), "cross_entropy"),
        (lambda: TrainingOptions(schedule="cosin"), "cosine"),
        (lambda: optimizers.create("adam:epsilom=1e-6", 0.1), "epsilon"),
        (lambda: gradlab.datasets.bundled("irs"), "iris"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_values_of_every_kind_are_answered_with_the_nearest(look, meant):
    with pytest.raises(GradlabError, match=f"[Dd]id you mean '?{meant}"):
        look()
