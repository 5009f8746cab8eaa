"""Comparisons with more axes than network and depth."""

import pytest

import gradlab
from gradlab.comparison import axes, compared, plan_cells, train_cells
from gradlab.errors import ArgumentError
from gradlab.report.data import build

DATA = gradlab.datasets.blobs(60, classes=3, features=4)
SMALL = {"width": 6, "data": DATA, "seeds": 1, "iterations": 4, "batch_size": 8}
SWEEP = {"learning_rate": [0.01, 0.1], "init": ["he_normal", "orthogonal"]}


def plans_of(sweep, networks=("relu", "tanh"), depths=(1, 2), **options):
    return plan_cells(networks, depths, **{**SMALL, **options}, sweep=sweep)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    return gradlab.compare(
        ["relu", "tanh"], [1, 2], **SMALL, jobs=1, runs=runs, sweep=SWEEP, columns="learning_rate"
    )


def test_axes_are_read_as_they_are_typed():
    typed = axes.read(["learning-rate=0.01, 0.1", "init=he_normal"])
    assert typed == {"learning_rate": ["0.01", "0.1"], "init": ["he_normal"]}
    assert axes.check(typed) == {"learning_rate": (0.01, 0.1), "init": ("he_normal",)}


def test_a_value_that_is_given_twice_counts_once():
    assert axes.check({"width": [8, "8", 16]}) == {"width": (8, 16)}


@pytest.mark.parametrize(
    ("axis", "typed", "value"),
    [
        ("gain", "1.5", 1.5),
        ("norm", "none", None),
        ("norm", "batch", "batch"),
        ("residual", "none", None),
        ("residual", "0.5", 0.5),
        ("dropout", "0", 0.0),
        ("optimizer", "adam:beta1=0.8", "adam:beta1=0.8"),
        ("batch_size", "32", 32),
        ("seeds", "4", 4),
        ("seed", "0", 0),
        ("iterations", "7", 7),
    ],
)
def test_values_of_every_kind(axis, typed, value):
    (read,) = axes.check({axis: [typed]})[axis]
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("sweep", "sentence"),
    [
        ({"learning_rat": [1]}, "is no axis; did you mean 'learning_rate'"),
        ({"learning_rate": []}, "the values of learning_rate are .., and must be a list"),
        ({"learning_rate": "0.1"}, "the values of learning_rate are '0.1', and must be a list"),
        ({"learning_rate": [0.0]}, "learning_rate=0.0 must be a number above 0"),
        ({"learning_rate": ["fast"]}, "learning_rate=fast must be a number above 0"),
        ({"init": ["he"]}, "init='he' is unknown"),
        ({"optimizer": ["adm"]}, "optimizer='adm' is unknown; did you mean 'adam'"),
        ({"width": [0]}, "width=0 must be a whole number of at least 1"),
        ({"batch_size": [8, 4000]}, "batch_size=4000 must be 1 to 48"),
        ({"class_weights": ["balanced"]}, "sweep='class_weights' is no axis"),
    ],
)
def test_what_cannot_be_swept_is_told_before_anything_is_trained(sweep, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        plans_of(sweep)


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["learning_rate"], "sweep='learning_rate' must be AXIS=VALUE,VALUE"),
        (["width=8", "width=9"], "gives the axis width a second time"),
    ],
)
def test_axes_that_cannot_be_read(texts, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        axes.read(texts)


def test_a_sweep_has_every_combination_and_each_changes_what_it_says():
    plans = plans_of(SWEEP)
    assert len(plans) == 2 * 2 * 2 * 2
    assert {(p.network.init, p.training.learning_rate) for p in plans} == {
        ("he_normal", 0.01),
        ("he_normal", 0.1),
        ("orthogonal", 0.01),
        ("orthogonal", 0.1),
    }
    assert plans[1].name == "relu depth 1, learning rate 0.01, init orthogonal"


def test_a_cell_of_a_sweep_is_the_cell_of_a_plain_grid(tmp_path):
    """Where it was trained without a sweep it is found, under the name it had."""
    (plain,) = plan_cells(["tanh:orthogonal"], [2], **SMALL | {"learning_rate": 0.1})
    assert [cell.reused for cell in train_cells([plain], DATA, jobs=1, runs=tmp_path)] == [False]
    last = plans_of(SWEEP)[-1]
    assert last == plain
    assert last.folder == plain.folder
    (cell,) = train_cells([last], DATA, jobs=1, runs=tmp_path)
    assert cell.reused
    assert cell.run.name == "tanh:orthogonal depth 2"


def test_two_places_may_have_one_cell(tmp_path):
    plans = plans_of({"gain": [2]}, ["relu", "relu:gain=3"], [1])
    cells = list(train_cells(plans, DATA, jobs=1, runs=tmp_path))
    assert len(cells) == 1
    both = compared(plans, {cell.plan: cell for cell in cells})
    assert [cell.name for cell in both.cells] == [
        "relu depth 1, gain 2",
        "relu x3 depth 1, gain 2",
    ]


def test_the_table_has_a_column_for_each_axis(swept):
    frame = swept.to_frame()
    assert list(frame.columns[:4]) == ["network", "depth", "learning_rate", "init"]
    assert len(frame.drop_duplicates(["network", "depth", "learning_rate", "init"])) == 16
    assert swept.cell("tanh", 2, learning_rate=0.1, init="orthogonal").run.config["init"] == (
        "orthogonal"
    )
    with pytest.raises(ArgumentError, match="several cells with network='tanh', depth=2; its axes"):
        swept.cell("tanh", 2)
    names = [run["name"] for run in swept.to_dict()["runs"]]
    assert len(set(names)) == 16
    assert swept.to_dict()["runs"][0]["axes"]["learning_rate"] == 0.01


def test_the_page_has_two_axes_as_its_matrix_and_selectors_for_the_others(swept):
    data = build(swept, scale=0.1)
    matrix = data["matrix"]
    assert matrix["corner"] == "learning rate"
    assert [column["label"] for column in matrix["columns"]] == ["0.01", "0.1"]
    assert [(each["axis"], each["values"]) for each in matrix["axes"][1:]] == [
        ("depth", ["1", "2"]),
        ("learning_rate", ["0.01", "0.1"]),
        ("init", ["he_normal", "orthogonal"]),
    ]
    assert (matrix["on_rows"], matrix["on_columns"]) == ("network", "learning_rate")
    assert len(matrix["slices"]) == 4
    assert len(data["headline"].split()) <= 12
    assert data["headline"] == "8 of 16 runs learn; learning rate 0.1 does best"
    assert data["lines"][1].startswith("learning rate 0.1: 6 of 8 learn")
    by_id = {cell["id"]: cell for cell in data["cells"]}
    for row in matrix["rows"]:
        for column, identifier in zip(matrix["columns"], row["cells"], strict=True):
            place = by_id[identifier]["place"]
            assert by_id[identifier]["slice"] == row["slice"]
            assert (place["network"], place["learning_rate"]) == (row["label"], column["label"])
    assert sum(len(row["cells"]) for row in matrix["rows"]) == 16
    assert set(data["overview"]) == {cell["column"] for cell in data["cells"]}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"rows": "rate"}, "rows='rate' is no axis; .*network, depth, learning_rate"),
        ({"rows": "depth"}, "rows and columns are both 'depth'; choose two axes"),
    ],
)
def test_axes_of_the_page_that_are_none(tmp_path, options, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        gradlab.compare(
            ["relu"], [1], **SMALL, runs=tmp_path, sweep={"learning_rate": [0.1]}, **options
        )
    assert list(tmp_path.iterdir()) == []
