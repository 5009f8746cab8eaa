"""The first screen: twelve words, one picture, one fix, how sure, and the rule."""

from dataclasses import replace

import numpy as np
import pytest

import gradlab
from gradlab.diagnosis import registry
from gradlab.report.code import parts_of, steps
from gradlab.report.data import build
from gradlab.report.first_screen import answer, choose_picture, sections_of
from gradlab.report.headline import headline, where
from gradlab.report.pictures import pictures
from gradlab.report.summary import Summary
from gradlab.rules import Finding
from gradlab.rules.remedies import Remedy
from tests.report.test_data import made, only, vanished

PLACES = [
    {"path": f"blocks.{k // 2}.{role}", "block": f"blocks.{k // 2}", "role": role}
    for k, role in enumerate(["attn.qkv", "mlp.up"] * 3)
]


OF_BLOCKS = ("roles", "stream", "block_roles")


def found(
    rule="GL302", name="frozen-layer", layers=(1,), iterations=(0, 9), hit=1, total=1, **more
):
    replicates = {"hit": hit, "total": total, "which": list(range(hit))}
    return Finding(
        rule, name, "error", layers, iterations, replicates, 1.0, 2.0, "A message.", **more
    )


def summary_of(finding, layers=6, arrives=float("nan"), names=(), **more):
    verdict = gradlab.Diagnosis("it", (finding,), {finding.rule: "fired"}, names=names)
    return Summary("it", "not learned", verdict, layers, arrives, **more)


@pytest.mark.parametrize(
    ("finding", "places", "expected"),
    [
        (found(layers=(2, 3)), (), "Frozen layer in layers 2-3 of 6 from the start"),
        (
            found(layers=(2, 5), iterations=(40, 49)), (),
            "Frozen layer in 2 of 6 layers from iteration 40",
        ),
        (found(layers=(1, 3)), PLACES, "Frozen layer in attn.qkv of 2 of 3 blocks from the start"),
        (found(layers=(3,)), PLACES, "Frozen layer in attn.qkv of blocks.1 from the start"),
        (found(layers=(3, 4)), PLACES, "Frozen layer in blocks.1 from the start"),
        (found(layers=tuple(range(1, 7))), PLACES, "Frozen layer from the start"),
        (
            found(layers=(2,), hit=2, total=8), (),
            "Frozen layer in layer 2 from the start (2 of 8 seeds)",
        ),
        (
            found("GL001", "non-finite", layers=(2,), iterations=(152, 152)), PLACES,
            "NaN or infinity at iteration 152 in mlp.up of blocks.0",
        ),
    ],
)  # fmt: skip
def test_a_headline_says_what_where_and_since_when(finding, places, expected):
    assert headline(summary_of(finding), places) == expected


def test_a_fault_that_ends_in_nan_says_so_and_shows_the_way_there():
    broken = found("GL001", "non-finite", iterations=(25, 25))
    root = found("GL304", "update-too-large", layers=(2,), consequences=(broken,))
    assert headline(summary_of(root)) == "Update too large, then NaN at iteration 25 in layer 2"
    assert choose_picture(root, ["layers", "norm_and_rate"]) == "norm_and_rate"
    assert choose_picture(root, ["layers"]) == "layers"
    assert answer(summary_of(root), ["layers"])["then"] == broken.message
    grown = found("GL102", "exploding-gradient", consequences=(broken,))
    assert headline(summary_of(grown, arrives=6.0)) == (
        "The gradient explodes: 1.0·10⁶ times larger at layer 1, then NaN"
    )


def test_a_finding_that_names_its_blocks_itself_is_believed():
    finding = found(layers=(1,), blocks=("enc.0", "enc.1"), roles=("attn.proj",))
    assert (
        headline(summary_of(finding), PLACES)
        == "Frozen layer in attn.proj of 2 of 3 blocks from the start"
    )


@pytest.mark.parametrize(
    ("rule", "arrives", "expected"),
    [
        ("GL101", -13.0, "The gradient vanishes: 1.0·10⁻¹³ of it reaches layer 1"),
        ("GL101", -2.0, "It in layer 1 from the start"),
        ("GL102", 6.0, "The gradient explodes: 1.0·10⁶ times larger at layer 1"),
    ],
)
def test_a_product_that_vanishes_or_explodes_is_the_number_of_its_headline(rule, arrives, expected):
    summary = summary_of(found(rule, "it", layers=(1,)), arrives=arrives)
    assert headline(summary) == expected


@pytest.mark.parametrize("code", sorted(registry()))
@pytest.mark.parametrize("places", [(), PLACES])
@pytest.mark.parametrize("layers", [(), (1,), (1, 3), (2, 3, 4), (1, 2, 3, 4, 5, 6)])
def test_no_headline_has_more_than_twelve_words(code, places, layers):
    finding = found(code, registry()[code].name, layers, (123_456, 200_000), hit=2, total=8)
    assert len(headline(summary_of(finding, arrives=-3.0), places).split()) <= 12


def test_headline_and_message_have_the_causes_number():
    cause = {"log_gain": {"slope": -20 * np.log(10), "weight": 8 * np.log(10)}}
    root = found("GL101", "vanishing-gradient", layers=(1, 2), cause=cause)
    said = "The gradient vanishes: 1.0·10⁻¹² of it reaches layer 1"
    assert headline(summary_of(root, arrives=-13.0)) == said


def test_what_does_not_fit_is_left_out_from_the_end():
    finding = found(name="a-name-of-seven-words-in-all", layers=(2,), hit=2, total=8)
    assert headline(summary_of(finding)) == "A name of seven words in all in layer 2"


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ((1, 3, 5), "attn.qkv in blocks.0 to blocks.2, from the start"),
        ((1, 5), "attn.qkv in blocks.0 and blocks.2, from the start"),
        ((), "the whole net, from the start"),
    ],
)
def test_a_place_is_named_by_role_and_block(layers, expected):
    assert where(summary_of(found(layers=layers)), PLACES) == expected


def test_all_layers_and_all_seeds_are_said_in_a_word():
    finding = found(layers=(1, 2, 3, 4, 5, 6), hit=3, total=3)
    assert where(summary_of(finding)) == "all 6 layers, from the start"


def test_evidence_that_the_message_holds_is_not_said_twice():
    twice = replace(found(), evidence="A message")
    assert answer(summary_of(twice), ["loss"])["evidence"] == ""
    once = replace(found(), evidence="the loss rises")
    assert answer(summary_of(once), ["loss"])["evidence"] == "the loss rises"


def test_every_rule_has_a_picture_that_is_drawn_for_any_run_with_a_loss():
    for code in registry():
        assert choose_picture(found(code), ["loss", "profile", "layers"])


@pytest.mark.parametrize(
    ("rule", "picture"),
    [
        ("GL001", "norm_and_rate"),
        ("GL101", "profile"),
        ("GL103", "norm_and_rate"),
        ("GL106", "output_stage"),
        ("GL201", "dead_units"),
        ("GL302", "layers"),
        ("GL403", "loss"),
        ("GL404", "scales"),
    ],
)
def test_the_picture_fits_the_kind_of_fault(rule, picture):
    known = [key for key in pictures() if key not in OF_BLOCKS]
    assert choose_picture(found(rule), known) == picture


@pytest.mark.parametrize(
    ("rule", "picture"), [("GL101", "roles"), ("GL203", "stream"), ("GL302", "block_roles")]
)
def test_of_a_net_of_blocks_the_picture_is_by_block(rule, picture):
    assert choose_picture(found(rule), list(pictures())) == picture


def test_the_picture_of_an_unknown_rule_shows_the_statistic_that_it_names():
    finding = found("XY1", columns=("update_ratio",))
    assert choose_picture(finding, ["profile", "loss", "layers"]) == "layers"
    assert choose_picture(replace(finding, columns=()), ["profile", "loss"]) == "loss"
    assert choose_picture(finding, []) == ""


def test_a_troubled_run_is_answered():
    run = vanished()
    root = gradlab.diagnose(run).findings[0]
    told = only(run)["answer"]
    assert told["rule"]["code"] == root.rule == "GL101"
    assert [section["heading"] for section in told["rule"]["sections"]][:2] == [
        "What it does",
        "Why it is bad",
    ]
    assert "".join(part["text"] for part in told["fix"]["words"]) == str(root.remedies[0])
    assert told["picture"] == "profile"
    assert told["confidence"] == f"{root.confidence.capitalize()} confidence"


def test_a_run_without_a_fault_has_no_fix():
    told = answer(
        Summary("it", "learned", gradlab.Diagnosis("it", (), {"GL001": "passed"}), 6, 0.0), ["loss"]
    )
    assert told["headline"] == "Healthy: it learns, and 1 rule found nothing wrong"
    assert told["sound"]
    assert (told["fix"], told["rule"], told["picture"]) == (None, None, "loss")


def test_a_run_of_which_nothing_tells_whether_it_learns():
    summary = Summary("it", "unknown", gradlab.Diagnosis("it", (), {"GL001": "passed"}), 6, 0.0)
    assert summary.label == "unknown"
    assert summary.status == "does not show whether it learns"
    assert summary.fine


MANY = [
    {"path": f"h.{k}.mlp.{role}", "block": f"h.{k}", "role": f"mlp.{role}"}
    for k in range(6)
    for role in ("fc", "proj")
]


def test_neighbouring_blocks_are_named_and_roles_by_what_they_share():
    finding = found(layers=(3, 4, 5, 6, 7, 8))
    told = headline(summary_of(finding, layers=12), MANY)
    assert told == "Frozen layer in mlp of h.1 to h.3 from the start"
    one = headline(summary_of(found(layers=(3, 5, 7)), layers=12), MANY)
    assert one == "Frozen layer in mlp.fc of h.1 to h.3 from the start"
    apart = headline(summary_of(found(layers=(3, 7, 9)), layers=12), MANY)
    assert apart == "Frozen layer in mlp.fc of 3 of 6 blocks from the start"


def test_the_operation_that_made_the_first_nan_stands_in_the_headline():
    finding = found("GL001", "non-finite", layers=(3,), iterations=(7, 7))
    origin = {"iteration": 7, "operation": "aten._softmax", "module": "h.1.mlp"}
    summary = replace(summary_of(finding), origin=origin)
    assert headline(summary, MANY) == "NaN or infinity at iteration 7: softmax in h.1.mlp"
    given = replace(summary, origin={"iteration": 7, "operation": "input"})
    assert headline(given, MANY) == "NaN or infinity at iteration 7: it was in the input"
    other = replace(summary, origin=origin | {"iteration": 6})
    assert headline(other, MANY) == "NaN or infinity at iteration 7 in mlp.fc of h.1"


def test_the_product_of_a_net_of_blocks_ends_at_its_first_block():
    finding = replace(found("GL102", "exploding-gradient", layers=(1, 2)), value=1.1e5)
    way = {"arrives": 5.0, "ends": ("h.0", "h.11"), "by_block": True}
    told = headline(summary_of(finding, **way), MANY)
    assert told.startswith("The gradient explodes: ")
    assert told.endswith("times larger at h.0")
    # Where the message measures another way back, the headline says no second number.
    other = replace(finding, value=1.1e3)
    assert headline(summary_of(other, **way), MANY).startswith("Exploding gradient in")


def test_an_explosion_before_the_first_update_is_shown_by_the_stream():
    broken = replace(found("GL001", "non-finite"), iterations=(2, 2))
    finding = found("GL102", "exploding-gradient").with_consequences([broken])
    assert choose_picture(finding, list(pictures())) == "stream"
    assert choose_picture(finding, ["norm_and_rate", "loss"]) == "norm_and_rate"
    later = replace(finding, iterations=(40, 49))
    assert choose_picture(later, list(pictures())) == "norm_and_rate"


def test_notes_of_a_healthy_run_stand_on_the_first_screen_with_place_and_fix():
    note = replace(
        found("GL201", "dead-units", layers=(3, 5, 7)),
        severity="note",
        remedies=(Remedy("zero biases", "start the biases at 0"),),
    )
    verdict = gradlab.Diagnosis("it", (note,), {"GL201": "fired"})
    told = answer(Summary("it", "learned", verdict, 12, 0.0), ["loss"], MANY)
    assert told["headline"].startswith("Healthy")
    (noted,) = told["noted"]
    assert noted["words"] == "dead units: mlp.fc in h.1 to h.3"
    assert "".join(part["text"] for part in noted["fix"]["words"]) == "start the biases at 0"


def test_notes_do_not_make_the_headline():
    note = replace(found(), severity="note")
    data = build(made(), judge=lambda run: gradlab.Diagnosis(run.name, (note,), {"GL302": "fired"}))
    assert data["headline"] == "It learns slowly; no fault seen"
    assert data["cells"][0]["findings"][0]["severity"] == "note"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ('initialize: nn.init.kaiming_normal_(model.blocks[3].up.weight, nonlinearity="relu")',
         'nn.init.kaiming_normal_(model.blocks[3].up.weight, nonlinearity="relu")'),
        ("lower the learning rate tenfold (lr=0.015), or warm it up", "lr=0.015"),
        ('initialize with init="he_normal"', 'init="he_normal"'),
        ("set epsilon (eps=1e-08 in the optimizer)", "eps=1e-08"),
        ("warm up: LinearLR(optimizer, start_factor=0.01, total_iters=50)",
         "LinearLR(optimizer, start_factor=0.01, total_iters=50)"),
        ("clip, nn.utils.clip_grad_norm_(model.parameters(), 1) before optimizer.step()",
         "nn.utils.clip_grad_norm_(model.parameters(), 1)\noptimizer.step()"),
        ("check the loss for log(0) or a division by 0", ""),
        ("lower it to lr=0.5. Then look again", "lr=0.5"),
        ("an open bracket nn.init.zeros_(x", ""),
    ],
)  # fmt: skip
def test_code_in_a_remedy_can_be_copied(words, code):
    shown = steps(Remedy("try", words))
    assert shown["code"] == code
    assert "".join(text for text, _ in parts_of(words)) == words


def test_a_docstring_parts_into_its_sections():
    text = "Name.\n\nWhat it does\n------------\nOne\nline.\n\nWhy it is bad\n---\nTwo."
    assert sections_of(text) == [("What it does", "One line."), ("Why it is bad", "Two.")]
