"""What an unknown value is answered with."""

import pytest

from gradlab.errors import ArgumentError, nearest, one_of, suggest

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
