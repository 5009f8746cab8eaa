"""The kinds of arguments: what fits, at the edge of what does not."""

import numpy as np
import pytest

import gradlab
from gradlab.errors import ArgumentError
from gradlab.kinds import CALLBACK, PATH, TEXT, TEXTS, WHOLE, is_listed, of_kinds
from gradlab.ranges import LARGEST_TASK, SIZE, STORED, check_jobs, check_memory, check_sizes


class OfBytes:
    def __fspath__(self):
        return b"x"


@pytest.mark.parametrize("path", ["x", "", "\udc80"])  # the last: a byte that is no UTF-8
def test_what_a_file_can_be_called_is_a_path(path):
    assert PATH.fits(path)


@pytest.mark.parametrize("path", ["a\0b", "\ud800", b"x", OfBytes(), 5, None])
def test_what_no_file_can_be_called_is_no_path(path):
    assert not PATH.fits(path)


def test_half_of_a_surrogate_pair_is_no_text():
    assert TEXT.fits("\U0001f600")
    assert not TEXT.fits("\ud83d")


@pytest.mark.parametrize("value", [3, np.int64(3), np.array(3)])
def test_a_whole_number_may_be_that_of_numpy(value):
    assert WHOLE.fits(value)
    assert type(SIZE.check("n", value)) is int


@pytest.mark.parametrize("value", [True, np.True_, 3.0, "3", np.array([3]), None])
def test_what_only_looks_like_a_whole_number_is_none(value):
    assert not WHOLE.fits(value)


@pytest.mark.parametrize(("value", "fits"), [(0, False), (1, True), (10**9, True)])
def test_the_ends_of_sizes(value, fits):
    assert SIZE.fits(value) == fits
    assert not SIZE.fits(10**9 + 1)


def test_the_largest_number_of_json_is_that_which_a_float_holds():
    assert STORED.fits(2**53 - 1)
    assert not STORED.fits(2**53)


@pytest.mark.parametrize("value", [[1], (1,), {1}, range(2), np.arange(2), iter([1])])
def test_what_can_be_read_one_by_one_is_a_list(value):
    assert is_listed(value)


@pytest.mark.parametrize("value", ["ab", b"ab", {"a": 1}, np.array(3), 3, None])
def test_what_is_one_thing_is_no_list(value):
    assert not is_listed(value)


def test_a_list_is_made_of_an_iterator_and_checked():
    @of_kinds(names=TEXTS)
    def listed(names):
        return names

    assert listed(iter(["a", "b"])) == ["a", "b"]
    with pytest.raises(ArgumentError, match=r"names=\[1, 2\] must be a list of texts"):
        listed(iter([1, 2]))


@pytest.mark.parametrize("function", [print, lambda value, more=1: None, [].append])
def test_a_callback_takes_one_argument(function):
    assert CALLBACK.fits(function)


@pytest.mark.parametrize("function", [int, lambda: None, lambda one, two: None, 5, None])
def test_what_cannot_take_one_argument_is_no_callback(function):
    assert not CALLBACK.fits(function)


def test_memory_at_the_limit():
    check_memory(LARGEST_TASK, "n=1")
    with pytest.raises(ArgumentError, match=r"n=1 needs at least 8 GB of memory; make it smaller"):
        check_memory(LARGEST_TASK + 1, "n=1")
    with pytest.raises(ArgumentError, match=r"a=1 with b=2 and c=3 needs .* make one of them"):
        check_memory(10 * LARGEST_TASK, "a=1", "b=2", "c=3")


@pytest.mark.parametrize("jobs", [-1, 1, np.int64(2)])
def test_numbers_of_processes(jobs):
    assert check_jobs(jobs) == jobs


@pytest.mark.parametrize("jobs", [0, -2, True, "3", 1.0, None, 10**30])
def test_what_is_no_number_of_processes(jobs):
    with pytest.raises(ArgumentError, match=r"jobs=.* of at least 1, or -1 for one a core"):
        check_jobs(jobs)


def test_sizes_of_a_net():
    assert check_sizes(np.array([3, 2])) == (3, 2)
    with pytest.raises(ArgumentError, match=r"sizes=array\(3\) must be a list"):
        check_sizes(np.array(3))
    with pytest.raises(ArgumentError, match=r"at most 1,000,000,000"):
        check_sizes([2, 10**30])


def test_a_net_that_fits_into_no_machine_is_refused_before_memory_is_taken():
    with pytest.raises(ArgumentError, match=r"sizes=\[2, 100000, 100000\] needs at least 80 GB"):
        gradlab.MLP([2, 10**5, 10**5])
