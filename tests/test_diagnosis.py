import itertools
import json
import re
from importlib import metadata

import numpy as np
import pytest

import gradlab
from gradlab.diagnosis import Diagnosis, diagnose, registry, summary
from gradlab.errors import RuleError
from gradlab.rules import BUILT_IN, Finding, Rule
from gradlab.rules.base import Hits, Window
from gradlab.rules.windows import windows
from gradlab.rules.wording import number, span
from gradlab.run import Run
from tests.rules.runs import make_run

LACKING = {
    "GL106",
    "GL301",
    "GL305",
    "GL306",
    "GL403",
    "GL404",
}  # whose columns a hand-made run does not hold


def test_a_healthy_run_is_ok_and_says_so():
    diagnosis = diagnose(make_run())
    assert diagnosis.ok
    assert diagnosis.findings == ()
    skipped = {code for code, status in diagnosis.statuses.items() if status == "skipped"}
    assert skipped == LACKING
    assert set(diagnosis.statuses.values()) == {"skipped", "passed"}
    assert "healthy" in str(diagnosis)


def exploded():
    """A planted explosion: signals double a layer, NaN from iteration 1, a huge loss."""
    counts = np.zeros((30, 2, 10))
    counts[1:] = 5
    loss = np.full((30, 2), 50.0)
    loss[1:] = np.nan
    growth = 2.0 ** np.arange(10)
    return make_run(
        30,
        layers=10,
        steps={"loss": loss},
        nonfinite_count=counts,
        delta_norm=growth[::-1],
        activation_rms=growth,
        log_gain_weight=1.04,
        log_gain_slope=-0.35,
    )


def test_one_planted_fault_is_one_root_with_its_consequences_folded():
    diagnosis = diagnose(exploded())
    assert [finding.rule for finding in diagnosis.findings] == ["GL102"]
    assert {finding.rule for finding in diagnosis.findings[0].consequences} == {
        "GL001",
        "GL203",
        "GL402",
    }
    assert not diagnosis.ok


def test_ignoring_a_root_promotes_its_consequences():
    diagnosis = diagnose(exploded(), ignore=["GL102"])
    assert [finding.rule for finding in diagnosis.findings] == ["GL203"]
    assert {finding.rule for finding in diagnosis.findings[0].consequences} == {"GL001", "GL402"}


def test_a_dead_layer_explains_the_vanished_gradient_below_it():
    dead, p = np.zeros((60, 2, 4)), np.ones((60, 2, 4))
    dead[:, :, 1] = 1
    p[:, :, :2] = 0
    diagnosis = diagnose(make_run(steps={"loss": 2.3}, dead_fraction=dead, per_example_grad_norm=p))
    assert [finding.rule for finding in diagnosis.findings] == ["GL201"]
    assert {finding.rule for finding in diagnosis.findings[0].consequences} == {"GL101", "GL402"}


def test_a_rate_at_which_an_explosion_can_be_survived_is_no_root_of_its_own():
    """Gradients of 1e6 at learning rate 1e-12: to raise the rate would be the wrong advice."""
    run = make_run(
        delta_norm=np.array([1e6, 1e4, 100.0, 1.0]),
        activation_rms=np.array([1.0, 100.0, 1e4, 1e6]),
        steps={"loss": 1e5},
        update_ratio=1e-9,
        lost_fraction=1.0,
    )
    diagnosis = diagnose(run)
    assert [finding.rule for finding in diagnosis.findings] == ["GL102"]
    assert {"GL203", "GL301", "GL402"} <= {
        finding.rule for finding in diagnosis.findings[0].consequences
    }


def test_equal_units_explain_what_adds_up_to_saturation():
    run = make_run(
        activation="tanh", unit_similarity=1.0, saturated_fraction=np.array([0.1, 0.9, 0.9, 0.0])
    )
    diagnosis = diagnose(run)
    assert [finding.rule for finding in diagnosis.findings] == ["GL305"]
    assert [finding.rule for finding in diagnosis.findings[0].consequences] == ["GL202"]


def test_a_root_that_hits_other_seeds_explains_nothing():
    p = np.ones((60, 4, 4))
    p[:, :1, 0] = 0.0
    loss = np.full((60, 4), 2.3)
    loss[:, 0] = 1.0  # not above the constant predictor's, but it does not fall
    diagnosis = diagnose(
        make_run(60, 4, steps={"loss": loss}, per_example_grad_norm=p, grad_norm=p)
    )
    assert {finding.rule for finding in diagnosis.findings} == {"GL101", "GL402"}


def test_errors_come_first():
    p = np.ones((60, 4, 4))
    p[:, :1, 0] = 0.0
    loss = np.full((60, 4), 2.3)
    severities = [
        f.severity
        for f in diagnose(make_run(60, 4, steps={"loss": loss}, per_example_grad_norm=p)).findings
    ]
    assert severities == sorted(severities)


class Dated(Rule):
    """A rule that finds a fault which begins at an iteration of its choice."""

    def __init__(self, code, first):
        self.code, self.name, self._first = code, code.lower(), first

    def judge(self, run):
        return self.finding(
            Hits(np.ones(run.shape[1:], bool)),
            Window(self._first, 60),
            severity="warning",
            value=1.0,
            limit=0.0,
            message="A fault.",
        )


@pytest.mark.parametrize(("late", "early"), [("XX001", "XX002"), ("XX002", "XX001")])
def test_of_equals_what_began_first_comes_first(late, early):
    found = diagnose(make_run(), rules=[Dated(late, 30), Dated(early, 10)]).findings
    assert [each.rule for each in found] == [early, late]


class Crashing(Rule):
    """Broken on purpose."""

    code, name = "XX001", "crashing"

    def judge(self, run):
        return 1 / 0


class Needing(Rule):
    """Needs what nobody records."""

    code, name, needs = "XX002", "needing", ("second_moment_rms",)

    def judge(self, run):
        raise AssertionError("must not be asked")


def test_a_crashed_rule_is_one_row_and_not_ok():
    diagnosis = diagnose(make_run(), rules=[*registry().values(), Crashing()])
    assert diagnosis.statuses["XX001"] == "crashed"
    assert "ZeroDivisionError" in diagnosis.reasons["XX001"]
    assert not diagnosis.ok
    assert diagnosis.statuses["GL101"] == "passed"


class Odd(Rule):
    """Returns whatever it is told to."""

    code, name, summary = "XX003", "odd", "odd"

    def __init__(self, returned):
        self._returned = returned

    def judge(self, run):
        return self._returned

    def explains_it(self, finding, other):
        return 1 / 0


def odd_finding(**changed):
    usual = {
        "severity": "warning",
        "layers": (),
        "iterations": (0, 0),
        "replicates": {"hit": 1, "total": 2, "which": [0]},
    }
    return Finding("XX003", "odd", **(usual | changed), value=1.0, limit=0.0, message="it is odd")


@pytest.mark.parametrize(
    "returned",
    [
        "a text",
        3,
        odd_finding(severity="awful"),
        odd_finding(iterations=(0, 999)),
        odd_finding(replicates={}),
        odd_finding(iterations=None),
        odd_finding(confidence="sure"),
        odd_finding(remedies=("a text",)),
    ],
)
def test_a_rule_that_returns_what_it_should_not_is_one_row(returned):
    diagnosis = diagnose(make_run(), rules=[*registry().values(), Odd(returned)])
    assert diagnosis.statuses["XX003"] == "crashed"
    assert diagnosis.reasons["XX003"]
    assert diagnosis.statuses["GL101"] == "passed"
    assert diagnosis.findings == ()
    assert "XX003 crashed" in str(diagnosis)


def test_a_rule_that_crashes_when_asked_what_it_explains_explains_nothing():
    diagnosis = diagnose(exploded(), rules=[*registry().values(), Odd(odd_finding())])
    assert {finding.rule for finding in diagnosis.findings} == {"GL102", "XX003"}
    assert diagnosis.statuses["XX003"] == "crashed"
    assert "asked what it explains, ZeroDivisionError" in diagnosis.reasons["XX003"]
    assert diagnosis.statuses["GL102"] == "fired"


def test_a_rule_without_its_columns_says_which():
    diagnosis = diagnose(make_run(), rules=[Needing()])
    assert diagnosis.statuses == {"XX002": "skipped"}
    assert "second_moment_rms" in diagnosis.reasons["XX002"]
    assert not diagnosis.ok  # nothing was judged


def test_duplicate_and_unknown_codes_are_errors():
    with pytest.raises(RuleError, match="XX001"):
        diagnose(make_run(), rules=[Crashing(), Crashing()])
    with pytest.raises(RuleError, match="GL999"):
        diagnose(make_run(), select=["GL999"])


def test_select_asks_only_what_it_names():
    assert list(diagnose(make_run(), select=["gl101", "GL001"]).statuses) == ["GL001", "GL101"]


GRADIENTS = ["GL101", "GL102", "GL103", "GL104", "GL105", "GL106", "GL107"]
LOSSES = ["GL401", "GL402", "GL403", "GL404", "GL405"]


def chosen(**choice):
    return list(diagnose(make_run(), **choice).statuses)


@pytest.mark.parametrize(
    ("choice", "codes"),
    [
        ({"select": ["GL1"]}, GRADIENTS),
        ({"select": ["gl40"]}, LOSSES),
        ({"select": ["GL1", "GL402"]}, [*GRADIENTS, "GL402"]),
        ({"select": ["GL10"], "ignore": ["GL102"]}, [GRADIENTS[0], *GRADIENTS[2:]]),
        ({"select": ["GL102"], "ignore": ["GL1"]}, ["GL102"]),  # the longer of the two counts
        ({"select": ["GL102"], "ignore": ["GL102"]}, []),  # of the same in both, ignore
        ({"ignore": ["GL0", "GL1", "GL2", "GL3"]}, LOSSES),
    ],
)
def test_prefixes_stand_for_the_rules_that_begin_with_them(choice, codes):
    assert chosen(**choice) == codes


@pytest.mark.parametrize("choice", ["select", "ignore"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("GL1011", "did you mean 'GL101'?"),
        ("GL110", "did you mean 'GL"),
        ("vanishing-gradient", "did you mean 'GL101'?"),
        ("XY", "choose one of: GL001, GL101"),
        ("", "choose one of: GL001, GL101"),
    ],
)
def test_an_unknown_code_or_prefix_names_the_nearest(choice, given, said):
    with pytest.raises(RuleError, match=re.escape(said)):
        chosen(**{choice: [given]})


def test_a_mute_takes_a_prefix_and_the_longer_one_counts():
    mute = {"GL1": "all of them", "GL102": "this one"}
    diagnosis = diagnose(exploded(), ignore=["GL001"], mute=mute)
    assert diagnosis.statuses["GL102"] == "muted"
    assert diagnosis.reasons["GL102"].startswith("this one")


def test_limits_are_of_one_rule_and_no_prefix():
    with pytest.raises(RuleError, match="rule 'GL1' is unknown"):
        diagnose(make_run(), limits={"GL1": {"alarm": 1.0}})


class Reading(Rule):
    """Keeps what it is given to judge."""

    code, name = "XX005", "reading"

    def __init__(self, parameters):
        self.parameters = parameters

    def judge(self, run):
        self.judged = run
        return None


def with_vectors():
    """A run of two matrices, and of a bias behind them."""
    rows = [{"fan_in": 4, "fan_out": 4}, {"fan_in": 4, "fan_out": 3}]
    bias = {"fan_in": 1, "fan_out": 4, "kind": "vector", "name": "hidden1.bias"}
    return Run.from_arrays({"grad_norm": np.ones((30, 2, 3))}, layers=[*rows, bias])


@pytest.mark.parametrize(("parameters", "layers"), [("matrices", 2), ("all", 3)])
def test_a_rule_gets_the_rows_that_it_asks_for(parameters, layers):
    rule = Reading(parameters)
    diagnose(with_vectors(), rules=[rule])
    assert rule.judged.shape == (30, 2, layers)


class Naming(Rule):
    """Names layers of all rows."""

    code, name, parameters = "XX006", "naming", "all"

    def __init__(self, *layers):
        self.layers = layers

    def judge(self, run):
        hits = Hits(np.ones((2, 1), bool))
        return self.finding(
            hits, Window(0, 1), layers=self.layers, value=1.0, limit=0.0, message="it is odd"
        )


def test_a_vector_is_named_by_its_path():
    assert "layers: hidden1.bias" in str(diagnose(with_vectors(), rules=[Naming(3)]))


def test_a_name_that_says_no_more_than_the_number_is_left_out():
    assert "layers:" not in str(diagnose(with_vectors(), rules=[Naming(1, 2)]))


def test_a_finding_names_the_blocks_and_roles_of_its_layers():
    rows = [
        {
            "fan_in": 4,
            "fan_out": 4,
            "name": f"blocks.{number}.up",
            "block": f"blocks.{number}",
            "role": "up",
        }
        for number in range(3)
    ]
    run = Run.from_arrays({"grad_norm": np.ones((30, 2, 3))}, layers=rows)
    (finding,) = diagnose(run, rules=[Naming(1, 3)]).findings
    assert finding.blocks == ("blocks.0", "blocks.2")
    assert finding.roles == ("up",)


def test_a_layer_outside_blocks_has_no_role():
    (finding,) = diagnose(with_vectors(), rules=[Naming(1, 2)]).findings
    assert finding.blocks == ()
    assert finding.roles == ()


class Noticing(Rule):
    """Fires with a severity, and explains what it is told to."""

    def __init__(self, code, severity, explains=()):
        self.code, self.name, self.severity, self.explains = code, code.lower(), severity, explains

    def judge(self, run):
        hits = Hits(np.ones((2, 1), bool))
        return self.finding(
            hits, Window(0, 1), severity=self.severity, value=1.0, limit=0.0, message="odd " * 60
        )


def test_a_note_leaves_a_run_healthy():
    diagnosis = diagnose(make_run(), rules=[Noticing("A", "note"), Needing()])
    assert diagnosis.ok
    assert diagnosis.verdict == "healthy"
    assert diagnosis.faults == ()
    assert [note.rule for note in diagnosis.notes] == ["A"]
    assert [found["severity"] for found in diagnosis.to_dict()["findings"]] == ["note"]


def test_the_headline_says_how_many_rules_could_judge():
    diagnosis = diagnose(make_run(), rules=[Noticing("A", "note"), Needing()])
    assert str(diagnosis).splitlines()[0] == "made: healthy: 1 of 2 rules could judge"


def test_a_note_takes_two_lines_after_the_findings():
    rules = [Noticing("A", "note"), Noticing("B", "warning")]
    lines = str(diagnose(make_run(), rules=rules)).splitlines()
    assert lines[0] == "made: 1 warning"
    assert lines[2] == "  B b (warning)"
    assert lines[-2].startswith("  note A a: odd odd")
    assert lines[-1].endswith(" ...")


def test_a_note_explains_no_fault():
    rules = [Noticing("A", "note", ("B",)), Noticing("B", "error")]
    diagnosis = diagnose(make_run(), rules=rules)
    assert [root.rule for root in diagnosis.findings] == ["B", "A"]


def test_a_fault_explains_a_note():
    rules = [Noticing("A", "error", ("B",)), Noticing("B", "note")]
    (root,) = diagnose(make_run(), rules=rules).findings
    assert [each.rule for each in root.consequences] == ["B"]


def test_a_circle_of_rules_loses_nothing():
    class One(Rule):
        """One."""

        code, name, explains = "XX003", "one", ("XX004",)

        def judge(self, run):
            return self.finding(
                Hits(np.ones((2, 4), bool)), Window(0, 1), value=1.0, limit=0.0, message="one"
            )

    class Two(One):
        """Two."""

        code, name, explains = "XX004", "two", ("XX003",)

    diagnosis = diagnose(make_run(), rules=[One(), Two()])
    assert {finding.rule for finding in diagnosis.every_finding} == {"XX003", "XX004"}


def test_a_run_without_an_iteration_says_so():
    assert "no iteration" in diagnose(make_run(0)).reasons["GL001"]


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("iterations", [0, 1, 2])
def test_tiny_runs_get_a_sensible_verdict(iterations, layers):
    diagnosis = diagnose(make_run(iterations, layers=layers))
    assert "crashed" not in diagnosis.statuses.values()
    assert diagnosis.ok == (iterations > 0)


def test_the_json_of_check_is_json_without_nan():
    run = exploded()
    text = json.dumps(summary(run, diagnose(run)), allow_nan=False)
    data = json.loads(text)
    assert set(data) >= {
        "name",
        "config",
        "ok",
        "outcome",
        "accuracy",
        "findings",
        "statuses",
        "reasons",
        "remarks",
    }
    finding = data["findings"][0]
    assert set(finding) == {
        "rule",
        "name",
        "severity",
        "layers",
        "iterations",
        "replicates",
        "value",
        "limit",
        "message",
        "cause",
        "remedies",
        "consequences",
        "columns",
        "blocks",
        "roles",
        "confidence",
        "evidence",
    }
    assert set(finding["cause"]["log_gain"]) == {"weight", "alignment", "slope", "slope_alignment"}


@pytest.mark.parametrize("rule", BUILT_IN, ids=lambda rule: rule.code)
def test_every_rule_is_documented(rule):
    text = rule.documentation()
    for section in ("What it does", "Why it is bad", "Example", "What to try", "References"):
        assert f"{section}\n{'-' * len(section)}" in text
    assert rule.code in text.splitlines()[0]
    assert rule.summary


class Circular(Rule):
    """A rule that fires and explains what it is told to."""

    def __init__(self, code, explains):
        self.code, self.name, self.explains = code, code.lower(), explains

    def judge(self, run):
        return self.finding(
            Hits(np.ones((2, 1), bool)), Window(0, 1), value=1.0, limit=0.0, message="it fired"
        )


@pytest.mark.parametrize(
    ("edges", "roots"),
    [
        ({"A": "B", "B": "A", "C": ""}, {"A": ["B"], "C": []}),  # the first of a circle is its root
        ({"A": "", "B": "C", "C": "BA"}, {"B": ["A", "C"]}),  # what a circle explains is no root
        (
            {"A": "B", "B": "A", "C": "B"},
            {"C": ["A", "B"]},
        ),  # a circle that something else explains has none
        ({"A": "B", "B": "C", "C": ""}, {"A": ["B", "C"]}),  # through a third
    ],
)
def test_roots_of_circles_and_chains(edges, roots):
    found = diagnose(
        make_run(), rules=[Circular(code, tuple(effects)) for code, effects in edges.items()]
    )
    assert {
        root.rule: [each.rule for each in root.consequences] for root in found.findings
    } == roots


def test_windows_cover_everything_and_overlap_by_half():
    assert windows(0) == []
    assert windows(7) == [Window(0, 7)]
    assert windows(50) == [Window(0, 50)]
    cut = windows(120)
    assert cut[0] == Window(0, 50)
    assert cut[-1] == Window(70, 120)
    assert all(b.start - a.start <= 25 for a, b in itertools.pairwise(cut))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.25, "0.25"),
        (1e-31, "1.0e-31"),
        (123.4, "123"),
        (1234.5, "1234"),
        (9.99e3, "9990"),
        (5e9, "5.0e9"),
        (np.nan, "NaN"),
        (-np.inf, "-inf"),
    ],
)
def test_numbers_as_a_reader_wants_them(value, text):
    assert number(value) == text


def test_spans():
    assert span([3]) == "layer 3"
    assert span([1, 2, 3, 7]) == "layers 1-3 and 7"
    assert span([]) == "the net"


def test_a_finding_without_numbers_is_json_too():
    finding = Finding(
        "X", "x", "error", (), (0, 0), {"hit": 1, "total": 1, "which": [0]}, np.inf, np.nan, "m"
    )
    assert finding.to_dict()["value"] is None
    assert Diagnosis("r", (finding,), {"X": "fired"}).to_dict()["findings"][0]["limit"] is None


def test_a_run_without_any_signal_is_skipped_not_passed():
    bare = Run.from_arrays({"grad_max": np.ones((5, 1, 3))})
    statuses = diagnose(bare).statuses
    assert statuses["GL101"] == "skipped"
    assert statuses["GL001"] == "passed"


class _Entry:
    def __init__(self, name, loaded):
        self.name, self.value, self._loaded = name, f"package:{name}", loaded

    def load(self):
        return self._loaded


class _Broken(_Entry):
    def load(self):
        raise self._loaded


@pytest.fixture
def installed(monkeypatch):
    """Pretend that other packages registered rules."""

    def install(*entries):
        monkeypatch.setattr(metadata, "entry_points", lambda group: list(entries))
        registry.cache_clear()

    yield install
    registry.cache_clear()


def test_a_rule_of_another_package_is_asked(installed):
    installed(_Entry("needing", Needing))
    assert diagnose(make_run()).statuses["XX002"] == "skipped"


@pytest.mark.parametrize(
    "entry", [_Broken("theirs", ImportError("no such module")), _Entry("theirs", dict)]
)
def test_a_rule_that_cannot_be_loaded_is_named_and_stops_nothing(installed, entry):
    installed(entry)
    with pytest.warns(UserWarning, match="theirs"):
        assert diagnose(make_run()).ok


def test_a_registered_rule_must_not_take_a_known_code(installed):
    class Thief(Needing):
        """Takes GL101."""

        code = "GL101"

    installed(_Entry("thief", Thief))
    with pytest.raises(RuleError, match="GL101"):
        diagnose(make_run())


EVERYTHING = {
    "saturated_fraction": 0.1,
    "lost_fraction": 0.0,
    "unit_similarity": 0.5,
    "second_moment_rms": 1e-3,
    "update_cosine": 0.5,
    "grad_max": 0.1,
    "delta_norm": 1.0,
    "grad_norm": 1.0,
    "update_ratio": 1e-3,
}


FINITE, NOT_FINITE = (0.0, 1e-300, 1e300), (np.nan, np.inf)


def odd_run(iterations, layers, loss=None, value=None):
    """A run that holds every statistic, with a loss and values of any kind; None: usual ones."""
    columns = EVERYTHING if value is None else dict.fromkeys(EVERYTHING, value)
    losses = {} if loss is None else {"loss": np.full((iterations, 1), loss)}
    held_out = np.full((iterations, 1), 1.0 if loss is None else loss)
    steps = losses | {"validation_loss": held_out}
    return make_run(iterations, 2, layers, activation="tanh", steps=steps, **columns)


@pytest.mark.parametrize("iterations", [0, 1, 2, 9, 51])
@pytest.mark.parametrize("layers", [1, 2, 5])
@pytest.mark.parametrize("loss", [None, -3.0, *FINITE, *NOT_FINITE])
@pytest.mark.parametrize("value", [None, *FINITE, *NOT_FINITE])
def test_no_run_however_odd_crashes_a_rule(iterations, layers, loss, value):
    diagnosis = diagnose(odd_run(iterations, layers, loss, value))
    assert "crashed" not in diagnosis.statuses.values(), diagnosis.reasons
    assert str(diagnosis).startswith("made: ")
    json.dumps(diagnosis.to_dict(), allow_nan=False)


@pytest.mark.parametrize("loss", [None, *FINITE, *NOT_FINITE])
def test_no_rule_judges_a_run_without_an_iteration(loss):
    diagnosis = diagnose(odd_run(0, 2, loss))
    assert set(diagnosis.statuses.values()) == {"skipped"}
    assert not diagnosis.ok


@pytest.mark.parametrize("iterations", [1, 51])
@pytest.mark.parametrize(
    ("loss", "value"), [(1.0, np.nan), (1.0, np.inf), (np.nan, None), (np.inf, None)]
)
def test_what_is_not_finite_is_never_ok(iterations, loss, value):
    assert not diagnose(odd_run(iterations, 2, loss, value)).ok


BESIDE_THE_USUAL = {  # statistics of arrays that a Recorder need not be given
    "delta_norm",
    "per_example_grad_norm",
    "activation_rms",
    "dead_fraction",
    "saturated_fraction",
    "second_moment_rms",
}
ASKING = [rule for rule in BUILT_IN if BESIDE_THE_USUAL & set(rule.needs)]


@pytest.mark.parametrize("rule", ASKING, ids=lambda rule: rule.code)
def test_what_a_rule_says_is_missing_is_what_makes_it_judge(rule):
    """The arrays it names, handed to a Recorder, are enough."""
    rng = np.random.default_rng(0)
    described = [
        {"fan_in": 5, "fan_out": 4, "activation": "tanh", "slope_bound": 1.0},
        {"fan_in": 4, "fan_out": 3},
    ]
    described.insert(1, {"fan_in": 4, "fan_out": 4, "activation": "tanh", "slope_bound": 1.0})
    shapes = [(each["fan_in"], each["fan_out"]) for each in described]
    signals = {
        name: [rng.normal(size=(8, m)) for _, m in shapes] for name in ("activations", "deltas")
    }
    every = signals | {
        "batch": rng.normal(size=(8, 5)),
        "slopes": [rng.uniform(size=(8, m)) for _, m in shapes[:-1]],
        "second_moments": [rng.uniform(size=shape) for shape in shapes],
    }
    weights = [rng.normal(size=shape) for shape in shapes]
    always = {"weights": weights, "weights_after": [0.9 * w for w in weights], "gradients": weights}

    def record(**arrays):
        recorder = gradlab.Recorder(described, config={"optimizer": "adam"})
        for _ in range(2):
            recorder.record(loss=1.0, learning_rate=0.1, **always, **arrays)
        return recorder.close()

    said = rule().missing(record())
    named = {name for name in every if re.search(rf"\b{name}\b", said.split("; pass ")[1])}
    assert rule().missing(record(**{name: every[name] for name in named})) is None


def test_a_verdict_as_data_holds_no_number_that_json_has_not():
    cause = {"log_gain": {"weight": float("inf")}, "parts": [float("nan"), 1.0]}
    finding = Finding(
        "GL102", "x", "error", (1,), (0, 1), {"hit": 1, "total": 1, "which": [0]},
        float("inf"), 1.0, "m", cause=cause,
    )  # fmt: skip
    data = finding.to_dict()
    assert data["cause"] == {"log_gain": {"weight": None}, "parts": [None, 1.0]}
    assert data["value"] is None
    json.dumps(data, allow_nan=False)
