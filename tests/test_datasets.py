"""Data sets against scikit-learn and plain formulas; every refusal at its boundary."""

import io
import math
import pickle
import sys
import zipfile
from importlib import resources

import numpy as np
import pytest

from gradlab import datasets
from gradlab.datasets import Data, from_file
from gradlab.errors import ArgumentError, DataError

PARTS = ("x_train", "y_train", "x_test", "y_test")
ROWS = [
    [1, 10.5, 0],
    [2, 9.5, 1],
    [3, 8, 0],
    [4, 7, 1],
    [5, 6, 2],
    [6, 5, 0],
    [7, 4, 1],
    [8, 3, 2],
    [9, 2, 0],
    [10, 1, 1],
]


def csv_text(rows=ROWS, header="a,b,y") -> str:
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


def with_cell(row: int, column: int, value) -> str:
    """Return the CSV with one cell replaced; rows are counted with the header as row 1."""
    rows = [list(cells) for cells in ROWS]
    rows[row - 2][column] = value
    return csv_text(rows)


@pytest.fixture
def write(tmp_path):
    def write(content: str | bytes, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def save(tmp_path):
    def save(**arrays):
        np.savez(tmp_path / "arrays.npz", allow_pickle=True, **arrays)
        return tmp_path / "arrays.npz"

    return save


def refusal(*arguments, error=DataError, **options) -> str:
    """Return the message of the error, which must be one short sentence."""
    with pytest.raises(error) as caught:
        from_file(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


def make(x=((0.0, 1.0), (2.0, 3.0)), y=(0, 1), x_test=((4.0, 5.0),), y_test=(1,), **names) -> Data:
    return Data("made", np.array(x), np.array(y), np.array(x_test), np.array(y_test), **names)


def examples(data: Data) -> np.ndarray:
    return np.concatenate([data.x_train, data.x_test])


# Data


def test_data_describes_itself_and_is_read_only():
    data = make(classes=("no", "yes", "maybe"), feature_names=("a", "b"))
    assert (data.task, data.n_features, data.n_outputs) == ("classification", 2, 3)
    assert make().n_outputs == 2
    assert make(y=(0.5, 1.0), y_test=(2.0,)).n_outputs == 1
    pairs = make(y=((0.5, 1.0), (1.0, 1.0)), y_test=((2.0, 2.0),))
    assert (pairs.task, pairs.n_outputs) == ("regression", 2)
    for part in PARTS:
        with pytest.raises(ValueError, match="read-only"):
            getattr(data, part)[0] = 7


def test_data_keeps_a_copy():
    x = np.ones((2, 2))
    data = make(x)
    x[0] = 5
    assert data.x_train[0, 0] == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"x": (1.0, 2.0)}, ["x_train", "(2,)", "(examples, features)"]),
        ({"x": ((), ())}, ["x_train", "(2, 0)"]),
        ({"x": np.empty((0, 2)), "y": np.empty(0, int)}, ["0 rows"]),
        ({"y": (0, 1, 1)}, ["2 rows", "y_train 3"]),
        ({"y": 1}, ["y_train", "()"]),
        ({"y": ((0, 1), (1, 0))}, ["y_train", "int64", "(2, 2)"]),
        ({"x": ((0.0, 1.0), (np.nan, np.inf))}, ["x_train", "2 values", "row 1, column 0"]),
        ({"y": (0.5, -np.inf), "y_test": (1.0,)}, ["y_train", "1 values", "row 1, column 0"]),
        ({"x": (("a", "b"), ("c", "d"))}, ["x_train", "<U1", "real numbers"]),
        ({"x": ((1j, 1.0), (0.0, 1.0))}, ["complex128"]),
        ({"y": (0, -1)}, ["-1", "count from 0"]),
        ({"y": (0, 3)}, ["3", "3 examples"]),
        ({"classes": ("one",)}, ["1", "1 classes"]),
        ({"x_test": ((1.0,),)}, ["(2, 2)", "(1, 1)", "columns"]),
        ({"y_test": (1.0,)}, ["int64", "float64"]),
        ({"feature_names": ("a",)}, ["1 feature_names", "2 features"]),
    ],
)
def test_data_refuses(options, words):
    with pytest.raises(DataError, match="'made'") as caught:
        make(**options)
    for word in words:
        assert word in str(caught.value)


def test_data_refuses_rows_of_different_lengths():
    with pytest.raises(DataError, match="x_train has rows of different lengths"):
        Data("made", [[1], [1, 2]], [0, 1], [[1]], [0])  # pyright: ignore[reportArgumentType]


def test_largest_class_number_that_fits():
    assert make(y=(0, 2)).n_outputs == 3  # three examples


def test_fingerprint_changes_with_any_number_type_or_shape_and_with_nothing_else():
    base = make()
    assert len(base.fingerprint) == 64
    int(base.fingerprint, 16)
    assert make(classes=("no", "yes")).fingerprint == base.fingerprint
    assert make(np.asfortranarray(base.x_train)).fingerprint == base.fingerprint
    assert make(base.x_train.astype(">f4")).fingerprint == base.fingerprint
    assert pickle.loads(pickle.dumps(base)).fingerprint == base.fingerprint
    others = [
        make(x=((0.0, 1.0), (2.0, np.nextafter(3, 4)))),
        make(y=(1, 1)),
        make(x_test=((4.0, 5.5),)),
        make(y_test=(0,)),
        make(y=(0.0, 1.0), y_test=(1.0,)),
        make(x=((0.0, 1.0, 2.0, 3.0),), y=(0,), x_test=((4.0, 5.0, 0.0, 1.0),)),
    ]
    assert len({base.fingerprint, *(other.fingerprint for other in others)}) == 1 + len(others)


# Split and standardization


def test_split_standardizes_each_feature_by_the_training_part():
    rng = np.random.default_rng(3)
    x = rng.normal(5, [1, 100], (50, 2))
    y = np.arange(50.0)
    data = datasets.split("made", x, y, seed=4)
    train, test = data.y_train.astype(int), data.y_test.astype(int)
    assert sorted([*train, *test]) == list(range(50))
    assert len(test) == 10
    mean, deviation = x[train].mean(0), x[train].std(0)
    np.testing.assert_allclose(data.x_train, (x[train] - mean) / deviation, rtol=1e-12)
    np.testing.assert_allclose(data.x_test, (x[test] - mean) / deviation, rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1.0, 1e200, 1e307])
def test_standardization_neither_overflows_nor_underflows(scale):
    x = np.linspace(-1, 1, 20)[:, None] * scale
    data = datasets.split("made", x, np.arange(20.0), seed=0)
    assert data.x_train.mean() == pytest.approx(0, abs=1e-12)
    assert data.x_train.std() == pytest.approx(1)


def test_a_constant_feature_becomes_0_however_its_deviation_rounds():
    x = np.stack([np.full(50, 0.1), np.arange(50)], axis=1)
    assert x[:40].std(axis=0)[0] > 0  # by rounding alone: why the deviation is not asked
    data = datasets.split("made", x, np.arange(50.0), seed=0)
    assert (examples(data)[:, 0] == 0).all()


def test_a_feature_constant_in_the_training_part_alone_becomes_0():
    order = np.random.default_rng(0).permutation(10)
    x = np.ones((10, 2))
    x[:, 1] = np.arange(10)
    x[order[-1], 0] = 1000.0
    data = datasets.split("made", x, np.arange(10.0), seed=0)
    assert order[-1] in data.y_test
    assert (examples(data)[:, 0] == 0).all()


@pytest.mark.parametrize(
    ("rows", "fraction", "held_out"),
    [(10, 0.2, 2), (11, 0.2, 3), (10, 0.9, 9), (2, 0.5, 1), (2, 1e-9, 1)],
)
def test_sizes_of_the_parts(rows, fraction, held_out):
    data = datasets.split(
        "made", np.arange(rows)[:, None], np.arange(float(rows)), seed=0, test_fraction=fraction
    )
    assert (len(data.x_train), len(data.x_test)) == (rows - held_out, held_out)


@pytest.mark.parametrize(("rows", "fraction"), [(10, 0.901), (1, 0.2)])
def test_no_row_left_to_train_on(rows, fraction):
    with pytest.raises(DataError, match="leaves none to train on"):
        datasets.split("made", np.ones((rows, 1)), np.ones(rows), seed=0, test_fraction=fraction)


@pytest.mark.parametrize("fraction", [0, 0.0, 1, 1.0, -0.1, math.nan, "0.2", None])
def test_test_fraction_out_of_range(fraction):
    with pytest.raises(ArgumentError, match="test_fraction="):
        datasets.digits(test_fraction=fraction)


@pytest.mark.parametrize("seed", [-1, 0.5, "0", None])
@pytest.mark.parametrize(
    "make_data", [datasets.digits, datasets.circles, datasets.blobs, datasets.linear]
)
def test_seed_out_of_range(make_data, seed):
    with pytest.raises(ArgumentError, match="seed="):
        make_data(seed=seed)


# Digits


def test_digits_are_scikit_learns():
    images, labels = pytest.importorskip("sklearn.datasets").load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    data = datasets.digits(seed=0)
    np.testing.assert_array_equal(np.concatenate([data.y_train, data.y_test]), labels[order])
    train = images[order[:1437]]
    np.testing.assert_allclose(
        examples(data), (images[order] - train.mean()) / train.std(), rtol=0, atol=1e-12
    )


def test_digits_sizes_and_standardization():
    data = datasets.digits()
    assert (data.x_train.shape, data.x_test.shape) == ((1437, 64), (360, 64))
    assert (data.task, data.n_features, data.n_outputs) == ("classification", 64, 10)
    assert data.classes == tuple("0123456789")
    assert data.x_train.mean() == pytest.approx(0, abs=1e-12)
    assert data.x_train.std() == pytest.approx(1)
    assert len(np.unique(data.x_train)) == 17  # one mean and one deviation: 17 grey levels stay 17


def test_the_shipped_digits_are_small_and_attributed():
    folder = resources.files("gradlab") / "data"
    assert len((folder / "digits.npz").read_bytes()) <= 60_000
    text = (folder / "README.md").read_text(encoding="utf-8")
    for words in (
        "Alpaydin",
        "Kaynak",
        "1998",
        "Optical Recognition of Handwritten Digits",
        "CC BY 4.0",
    ):
        assert words in text


# Toy problems

TOYS = (datasets.circles, datasets.blobs, datasets.course_function, datasets.linear)


@pytest.mark.parametrize("make_data", [datasets.digits, *TOYS])
def test_a_seed_gives_the_same_data_always_and_another_seed_other_data(make_data):
    assert make_data(seed=1).fingerprint == make_data(seed=1).fingerprint
    assert make_data(seed=1).fingerprint != make_data(seed=2).fingerprint


@pytest.mark.parametrize("make_data", TOYS)
def test_toys_are_split_and_standardized(make_data):
    data = make_data(n=50)
    assert (len(data.x_train), len(data.x_test)) == (40, 10)
    np.testing.assert_allclose(data.x_train.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(data.x_train.std(axis=0), 1)


def test_circles_without_noise_have_two_radii():
    data = datasets.circles(2000, noise=0.0, seed=3)
    assert (data.n_features, data.n_outputs, data.classes) == (2, 2, ("inner", "outer"))
    # Standardization shifts and stretches the plane: an ellipse through (x, y) is a x^2 + b y^2 + c
    # x + d y = 1.
    for label in (0, 1):
        x, y = data.x_train[data.y_train == label].T
        design = np.stack([x * x, y * y, x, y], axis=1)
        fit, residual, *_ = np.linalg.lstsq(design, np.ones(len(x)))
        assert residual[0] < 1e-20
        assert (fit[:2] > 0).all()
    inner, outer = (np.ptp(data.x_train[data.y_train == label], axis=0) for label in (0, 1))
    np.testing.assert_allclose(outer / inner, 2, rtol=1e-3)


def test_blobs_without_spread_are_their_centres():
    data = datasets.blobs(40, classes=4, features=3, spread=0.0)
    assert (data.n_features, data.n_outputs) == (3, 4)
    for label in range(4):
        np.testing.assert_allclose(
            np.ptp(data.x_train[data.y_train == label], axis=0), 0, atol=1e-12
        )


def test_course_function_is_the_courses_function():
    data = datasets.course_function(5000, seed=2)
    assert (data.task, data.n_outputs, data.feature_names) == ("regression", 1, ("x",))
    # x = mean + deviation * standardized; both follow from two known points: F is 0 at 0 alone and
    # grows from there.
    low, high = examples(data).min(), examples(data).max()
    x = 4 * (data.x_train[:, 0] - low) / (high - low)
    # x to 1/5000 of 4
    np.testing.assert_allclose(data.y_train, 2 * np.sin(x**2) + np.sqrt(5 * x), atol=0.08)


def test_linear_is_solved_by_the_known_weights_and_the_mean():
    data = datasets.linear(5000, features=3, noise=0.0)
    design = np.hstack([data.x_train, np.ones((len(data.x_train), 1))])
    fit, residual, *_ = np.linalg.lstsq(design, data.y_train)
    assert residual[0] < 1e-20
    np.testing.assert_allclose(fit, [1, 2, 3, 1], atol=0.1)  # times the deviations, about 1


def test_noise_has_the_stated_deviation():
    clean, noisy = (
        datasets.linear(5000, noise=0.0, seed=5),
        datasets.linear(5000, noise=0.5, seed=5),
    )
    np.testing.assert_array_equal(clean.x_train, noisy.x_train)
    assert (noisy.y_train - clean.y_train).std() == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(
    ("make_data", "good", "bad"),
    [
        (datasets.circles, {"n": 4}, {"n": 3}),
        (datasets.course_function, {"n": 4}, {"n": 3}),
        (datasets.linear, {"n": 4}, {"n": 4.0}),
        (datasets.blobs, {"n": 5, "classes": 5}, {"n": 4, "classes": 5}),
        (datasets.blobs, {"classes": 2}, {"classes": 1}),
        (datasets.blobs, {"features": 1}, {"features": 0}),
        (datasets.linear, {"features": 1}, {"features": 0}),
        (datasets.circles, {"noise": 0}, {"noise": -1e-9}),
        (datasets.linear, {"noise": np.float32(1)}, {"noise": math.nan}),
        (datasets.course_function, {"noise": 1e3}, {"noise": math.inf}),
        (datasets.blobs, {"spread": 0.0}, {"spread": "1"}),
    ],
)
def test_ranges_of_the_toys(make_data, good, bad):
    make_data(**good)
    with pytest.raises(ArgumentError, match=f"^{next(iter(bad))}="):
        make_data(**bad)


# CSV files


def test_csv_classification(write):
    data = from_file(write(csv_text()))
    assert (data.name, data.task, data.n_features, data.n_outputs) == (
        "table",
        "classification",
        2,
        3,
    )
    assert (data.classes, data.feature_names) == (("0", "1", "2"), ("a", "b"))
    order = np.random.default_rng(0).permutation(10)
    np.testing.assert_array_equal(
        np.concatenate([data.y_train, data.y_test]), np.array(ROWS)[order, 2]
    )
    np.testing.assert_allclose(data.x_train.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(data.x_train.std(axis=0), 1)


def test_csv_named_target_is_left_as_it_is(write):
    data = from_file(write(csv_text()), "b", seed=1, test_fraction=0.3)
    assert (data.task, data.n_outputs, data.feature_names, data.classes) == (
        "regression",
        1,
        ("a", "y"),
        (),
    )
    assert len(data.y_test) == 3
    assert sorted([*data.y_train, *data.y_test]) == sorted(row[1] for row in ROWS)


def test_csv_texts_become_classes_in_sorted_order(write):
    rows = [[*row[:2], ("pear", "apple", "=cmd()")[row[2]]] for row in ROWS]
    data = from_file(write(csv_text(rows)))
    assert data.classes == ("=cmd()", "apple", "pear")
    assert sorted([*data.y_train, *data.y_test]) == [0, 0, *[1] * 4, *[2] * 4]


def test_csv_as_spreadsheets_write_it(write):
    quoted = (
        "\ufeff" + csv_text(header='"a","b, with a comma"," y "').replace("\n", "\r\n") + "\r\n\r\n"
    )
    data, plain = from_file(write(quoted), "y"), from_file(write(csv_text()))
    assert data.feature_names == ("a", "b, with a comma")
    assert data.fingerprint == plain.fingerprint


@pytest.mark.parametrize(("distinct", "task"), [(20, "classification"), (21, "regression")])
def test_whole_numbers_of_few_values_are_classes(write, distinct, task):
    path = write(csv_text([[number, number % distinct] for number in range(60)], "a,y"))
    assert from_file(path).task == task
    assert from_file(path, task="classification").n_outputs == distinct
    assert from_file(path, task="regression").task == "regression"


def test_large_class_numbers_keep_their_digits(write):
    data = from_file(
        write(csv_text([[number, 1_000_001 + number % 2] for number in range(10)], "a,y"))
    )
    assert data.classes == ("1000001", "1000002")


def test_numbers_and_texts_are_classes_when_asked(write):
    path = write(with_cell(4, 2, "x"))
    assert from_file(path, task="classification").classes == ("0", "1", "2", "x")


LONG = "9" * 100_000  # a number beyond float64, within the csv module's limit of a field


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["is empty", "header row"]),
        ("\n \n", ["is empty"]),
        ("a,b,y\n", ["0 rows", "at least 10"]),
        (csv_text(ROWS[:9]), ["9 rows", "at least 10"]),
        (csv_text([*ROWS[:4], [1, 2], *ROWS]), ["row 6", "2 fields", "header has 3"]),
        (csv_text([*ROWS, [1, 2, 3, 4]]), ["row 12", "4 fields", "header has 3"]),
        ("a,b,y\n\n" + csv_text([[1, 2], *ROWS]).partition("\n")[2], ["row 3", "2 fields"]),
        (csv_text(header="a,a,y"), ["two columns named 'a'"]),
        (csv_text(header="a, y,y"), ["two columns named 'y'"]),
        (with_cell(5, 1, "high"), ["row 5", "column 'b'", "'high'", "no number"]),
        (with_cell(2, 0, "1_0"), ["row 2", "column 'a'", "'1_0'"]),
        (with_cell(2, 0, "__import__('os')"), ["row 2", "column 'a'", "no number"]),
        (with_cell(11, 0, ""), ["row 11", "column 'a'", "is empty"]),
        (with_cell(11, 0, "NA"), ["row 11", "column 'a'", "'NA'"]),
        (with_cell(3, 1, "nan"), ["row 3", "column 'b'", "'nan'"]),
        (with_cell(3, 1, "-inf"), ["row 3", "column 'b'", "'-inf'"]),
        (with_cell(3, 1, "1e309"), ["row 3", "column 'b'", "'1e309'"]),
        (with_cell(3, 1, LONG), ["row 3", "column 'b'", "9..."]),
        (with_cell(3, 1, "x" * 100_000), ["row 3", "column 'b'", "x..."]),
        (with_cell(3, 1, "x" * 200_000), ["row 3", "field limit"]),
        (with_cell(3, 1, "\x1b[2J"), [r"'\x1b[2J'"]),
        (with_cell(3, 2, ""), ["row 3", "target column 'y'", "is empty"]),
        (with_cell(3, 2, "nan"), ["row 3", "column 'y'", "'nan'"]),
        (with_cell(3, 2, "NA"), ["row 3", "target column 'y'", "'NA'", "other rows hold numbers"]),
        (csv_text([*ROWS, ["", "", ""]]), ["row 12", "is empty"]),
        (csv_text([[*row[:2], 7] for row in ROWS]), ["single class", "'7'", "at least 2"]),
        (csv_text([*ROWS[:3], [1, '"2', 0], *ROWS]), ["row 15", "quotes"]),
        (csv_text().replace(",", ";"), ["only the column 'a;b;y'", "commas"]),
        (csv_text().encode() + b"1,2,\xff\n", ["row 12", "UTF-8"]),
        (csv_text().encode("utf-16"), ["row 1", "UTF-8"]),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, list) else "",
)
def test_csv_refused(write, content, words):
    message = refusal(write(content))
    for word in ["table.csv", *words]:
        assert word in message


def test_ten_rows_are_enough_and_a_huge_finite_number_is_read(write):
    assert len(examples(from_file(write(csv_text())))) == 10
    assert from_file(write(with_cell(3, 1, "1e308"))).n_features == 2


def test_unknown_target_lists_the_columns(write):
    message = refusal(write(csv_text()), "price")
    assert "'price'" in message
    assert "'a', 'b', 'y'" in message


def test_the_list_of_columns_is_bounded(write):
    header = ",".join(f"{'long name ' * 20}{number}" for number in range(500))
    with pytest.raises(DataError, match="no column 'price'") as caught:
        from_file(write(csv_text([range(500)] * 10, header)), "price")
    assert len(str(caught.value)) < 1500


def test_texts_are_no_regression(write):
    rows = [[*row[:2], "pear" if row[2] else "apple"] for row in ROWS]
    assert "'apple'" in refusal(write(csv_text(rows)), task="regression")


def test_unknown_task_and_a_fraction_that_leaves_nothing(write):
    path = write(csv_text())
    assert "task='clustering'" in refusal(path, error=ArgumentError, task="clustering")
    assert "none to train on" in refusal(path, test_fraction=0.95)
    assert "seed=-1" in refusal(path, error=ArgumentError, seed=-1)


@pytest.mark.parametrize("name", ["missing.csv", "missing.npz", "missing"])
def test_missing_file(tmp_path, name):
    assert "does not exist" in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["nul\0.csv", "half\ud800.csv"])
def test_what_no_file_can_be_called_is_no_path(tmp_path, name):
    assert "must be a path" in refusal(tmp_path / name, error=ArgumentError)


@pytest.mark.parametrize("name", ["folder", "folder.csv", "folder.npz"])
def test_a_directory_is_no_file(tmp_path, name):
    (tmp_path / name).mkdir()
    assert "is a directory" in refusal(tmp_path / name)


def test_a_name_the_system_refuses():
    with pytest.raises(DataError, match="cannot be read"):
        from_file("x" * 5000 + ".csv")


@pytest.mark.parametrize("name", ["table.xlsx", "table", "table.csv.gz", "table." + "x" * 100])
def test_unknown_ending(write, name):
    message = refusal(write(csv_text(), name))
    assert "cannot be read" in message
    assert ".csv or an .npz" in message


def test_upper_case_endings_are_known(write):
    assert from_file(write(csv_text(), "TABLE.CSV")).name == "TABLE"


# npz files

X, Y = np.arange(30.0).reshape(10, 3) ** 2, np.arange(10) % 3


def npz_bytes(**arrays) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=True, **arrays)
    return stream.getvalue()


def test_npz_is_the_same_as_split(save):
    data = from_file(save(x=X, y=Y), seed=2)
    assert data.fingerprint == datasets.split("arrays", X, Y, seed=2).fingerprint
    assert data.classes == ("0", "1", "2")


@pytest.mark.parametrize(
    ("y", "classes", "outputs"),
    [
        (Y > 0, ("False", "True"), 2),
        (np.array(["b", "a"])[Y % 2], ("a", "b"), 2),
        (Y * 10.0, ("0", "10", "20"), 3),
        (Y + 0.5, (), 1),
        (np.stack([Y, Y], axis=1), (), 2),
    ],
)
def test_npz_targets(save, y, classes, outputs):
    data = from_file(save(x=X > 5, y=y))
    assert (data.classes, data.n_outputs) == (classes, outputs)
    assert data.task == ("classification" if classes else "regression")


def test_npz_keeps_a_split_and_standardizes_by_its_training_part(save):
    data = from_file(
        save(x_train=X[:6], y_train=Y[:6] + 5, x_test=X[6:], y_test=Y[6:] + 5),
        seed=9,
        test_fraction=0.9,
    )
    np.testing.assert_allclose(data.x_train, (X[:6] - X[:6].mean(0)) / X[:6].std(0))
    np.testing.assert_allclose(data.x_test, (X[6:] - X[:6].mean(0)) / X[:6].std(0))
    np.testing.assert_array_equal(data.y_train, Y[:6])
    np.testing.assert_array_equal(data.y_test, Y[6:])
    assert data.classes == ("5", "6", "7")


def test_npz_round_trip(save):
    data = datasets.course_function(50)
    again = from_file(save(**{part: getattr(data, part) for part in PARTS}))
    for part in PARTS:
        np.testing.assert_allclose(
            getattr(again, part), getattr(data, part), rtol=1e-12, atol=1e-12
        )


def bad_at(array, *where, value=np.nan):
    array = array.astype(float)
    array[where] = value
    return array


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": X, "b": Y}, ["'a', 'b'", "x, y or x_train, y_train, x_test, y_test"]),
        ({"x": X}, ["'x'", "x, y"]),
        ({}, ["none"]),
        ({"x": X[:9], "y": Y[:9]}, ["9 examples", "at least 10"]),
        ({"x": X[:9], "y": Y}, ["(9, 3)", "(10,)"]),
        ({"x": X[:, 0], "y": Y}, ["x has shape (10,)"]),
        ({"x": X, "y": 1}, ["y ()"]),
        ({"x": X[:, :0], "y": Y}, ["(10, 0)", "not empty"]),
        ({"x": np.array(["a"] * 10), "y": Y}, ["x is <U1", "real numbers"]),
        ({"x": X + 1j, "y": Y}, ["x is complex128"]),
        ({"x": X, "y": Y.astype("M8[D]")}, ["y is datetime64[D]", "numbers or texts"]),
        ({"x": bad_at(X, 4, 2), "y": Y}, ["x holds NaN", "row 4, column 2"]),
        ({"x": X, "y": bad_at(Y, 7, value=np.inf)}, ["y holds NaN or infinity", "row 7, column 0"]),
        ({"x": X, "y": np.ones(10, int)}, ["single class", "'1'"]),
        ({"x": X.astype(object), "y": Y}, ["pickled objects are never loaded"]),
        (
            {"x_train": X, "y_train": Y, "x_test": X[:0], "y_test": Y[:0]},
            ["x_test", "(0, 3)", "not empty"],
        ),
        (
            {"x_train": X[:0], "y_train": Y[:0], "x_test": X, "y_test": Y},
            ["x_train", "(0, 3)", "not empty"],
        ),
        (
            {"x_train": X, "y_train": Y, "x_test": X[:, :2], "y_test": Y},
            ["(10, 3)", "(10, 2)", "match"],
        ),
        (
            {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y.astype(str)},
            ["int64", "<U", "match"],
        ),
    ],
)
def test_npz_refused(save, arrays, words):
    message = refusal(save(**arrays))
    for word in ["arrays.npz", *words]:
        assert word in message


def test_npz_of_one_hot_rows_is_no_classification(save):
    assert "one label an example" in refusal(save(x=X, y=np.eye(3)[Y]), task="classification")


def test_npz_knows_no_columns(save):
    assert "target='b'" in refusal(save(x=X, y=Y), "b", error=ArgumentError)


def whole_file() -> bytes:
    return npz_bytes(x=X, y=Y)


def corrupted() -> bytes:
    content = bytearray(whole_file())
    content[120:160] = bytes(40)
    return bytes(content)


def bare_array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, X)
    return stream.getvalue()


def raw_members() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("x.npy", b"no array")
        archive.writestr("y.npy", b"no array")
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        pickle.dumps([1]),
        whole_file()[:-30],
        whole_file()[:100],
        corrupted(),
        bare_array(),
        raw_members(),
    ],
    ids=["empty", "text", "pickle", "torn end", "torn", "corrupted", "bare array", "raw members"],
)
def test_damaged_npz(write, content):
    message = refusal(write(content, "damaged.npz"))
    assert "damaged.npz" in message


def test_the_pickle_of_an_npz_never_runs(save, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    trap = np.empty(10, object)
    trap[:] = [Trap() for _ in range(10)]
    assert "pickled" in refusal(save(x=X, y=trap))
    assert not (tmp_path / "ran").exists()


def test_shares_make_classes_rare():
    data = datasets.blobs(200, classes=3, shares=(90, 9, 1), seed=1)
    counts = np.bincount(np.concatenate([data.y_train, data.y_test]))
    np.testing.assert_array_equal(counts, [180, 18, 2])
    tiny = datasets.blobs(10, classes=2, shares=(1000, 1), seed=0)
    assert np.bincount(np.concatenate([tiny.y_train, tiny.y_test])).tolist() == [9, 1]


@pytest.mark.parametrize("shares", [(1, 2), (1, 0, 1), (1, -1, 1), (1, np.nan, 1)])
def test_shares_that_are_none_are_one_sentence(shares):
    with pytest.raises(ArgumentError, match="one number above 0 for each of the 3 classes"):
        datasets.blobs(100, classes=3, shares=shares)


@pytest.mark.parametrize("name", datasets.BUNDLED)
def test_scikit_learns_sets_are_those_of_scikit_learn(name):
    sets = pytest.importorskip("sklearn.datasets")
    expected, target = getattr(sets, f"load_{name}")(return_X_y=True)
    data = datasets.bundled(name, seed=2)
    x, y = np.concatenate([data.x_train, data.x_test]), np.concatenate([data.y_train, data.y_test])
    assert x.shape == expected.shape
    np.testing.assert_array_equal(np.sort(y), np.sort(target))
    assert data.task == ("regression" if name == "diabetes" else "classification")
    np.testing.assert_allclose(data.x_train.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(data.x_train.std(axis=0), 1, rtol=1e-12)


def test_without_scikit_learn_its_sets_are_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(DataError, match="pip install scikit-learn"):
        datasets.bundled("iris")
    with pytest.raises(ArgumentError, match="iris"):
        datasets.bundled("iri")
