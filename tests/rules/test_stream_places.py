"""Where along a residual stream the gradient grows."""

import numpy as np
import pytest

from gradlab.diagnosis import diagnose
from gradlab.rules.by_role import branch_width, norms_for_a_bare_stream, unlike_the_others
from gradlab.rules.stream_places import growth_of_gradient
from gradlab.run import Run

LIMIT = 100.0


def stream(factors, norms=None, *, iterations=2, parts=("attn", "mlp"), framework="torch"):
    """A run of blocks with two branches; `factors` are those of the branches, block by block."""
    layers = [
        {"name": f"h.{k}.{part}.{end}", "path": f"h.{k}.{part}.{end}", "block": f"h.{k}"}
        | {"role": f"{part}.{end}", "kind": "Linear", "fan_in": 16 if end == "up" else 64}
        for k in range(len(factors))
        for part in parts
        for end in ("up", "down")
    ]
    norms = norms or ["before"] * len(factors)
    whole = [
        {"block": f"h.{k}", "path": f"h.{k}", "kind": "Block", "norm": norm}
        for k, norm in enumerate(norms)
    ]
    added = [
        {"block": f"h.{k}.{part}", "path": f"h.{k}", "kind": "addition", "norm": ""}
        for k in range(len(factors))
        for part in parts
    ]
    logs = np.log(np.array(factors, float))
    gains = np.concatenate([logs.sum(axis=1), logs.ravel()])
    back = np.exp(np.cumsum(logs.sum(axis=1)[::-1])[::-1])  # at each block's input
    at_output = np.append(back[1:], 1.0)
    norm = np.concatenate([at_output, np.full(len(added), np.nan)])
    shape = (iterations, 1, len(gains))
    return Run.from_arrays(
        {
            "weight_norm": np.ones((iterations, 1, len(layers))),
            "delta_norm": np.ones((iterations, 1, len(layers))) * np.geomspace(1e6, 1, len(layers)),
        },
        layers=layers,
        config={"framework": framework},
        blocks=[*whole, *added],
        block_signals={
            "stream_log_gain": np.broadcast_to(gains, shape),
            "stream_grad_norm": np.broadcast_to(norm, shape),
        },
    )


def growth(run):
    """Where the gradient of replicate 0 grows; it does."""
    found = growth_of_gradient(run, [0], LIMIT)
    assert found is not None
    return found


def test_the_blocks_that_make_the_product_large_are_named():
    run = stream([(1, 1.01)] * 3 + [(4, 1.01)] * 5)
    found = growth(run)
    assert found.blocks == ("h.3", "h.4", "h.5", "h.6", "h.7")
    assert found.branches == ("attn",)
    assert found.log_gain == pytest.approx(5 * np.log(4 * 1.01))
    assert [int(layer) for layer in found.layers] == [13, 14, 17, 18, 21, 22, 25, 26, 29, 30]
    assert found.sentence == "1076 times in attn of h.3 to h.7, about 4.04 a block"


@pytest.mark.parametrize(("factor", "hit"), [(99.0 ** (1 / 8), 0), (101.0 ** (1 / 8), 8)])
def test_a_block_is_named_whose_factor_in_every_block_would_pass_the_limit(factor, hit):
    run = stream([(factor, 1.0)] * 8)
    found = growth_of_gradient(run, [0], LIMIT)
    assert len(found.blocks if found else ()) == hit


def test_one_block_between_two_that_grow_is_named_with_them():
    found = growth(stream([(3, 3), (3, 3), (1, 1), (3, 3), (1, 1)]))
    assert found.blocks == ("h.0", "h.1", "h.2", "h.3")


def test_both_branches_are_named_where_both_grow():
    found = growth(stream([(2, 3)] * 6))
    assert found.branches == ("attn", "mlp")
    assert found.place == "attn and mlp of h.0 to h.5"


def test_without_a_stream_nothing_is_named():
    run = Run.from_arrays({"delta_norm": np.ones((2, 1, 3))})
    assert growth_of_gradient(run, [0], LIMIT) is None


def test_a_factor_near_the_end_of_what_a_float_holds_is_named_all_the_same():
    run = stream([(1e50, 1e50)] * 3)
    found = growth(run)
    assert found.sentence.startswith("1e300 times")


def test_norms_are_put_where_it_grows_and_none_stand():
    run = stream([(1, 1)] * 4 + [(3, 3)] * 4, ["before"] * 4 + ["none"] * 4)
    found = norms_for_a_bare_stream(run, growth(run))
    assert found is not None
    assert found.parameters["blocks"] == ["h.4", "h.5", "h.6", "h.7"]
    assert "before attn and mlp of h.4 to h.7" in str(found)


def test_where_norms_stand_already_none_are_proposed():
    run = stream([(3, 3)] * 8)
    assert norms_for_a_bare_stream(run, growth(run)) is None


@pytest.mark.parametrize(
    ("norms", "told"),
    [
        (["before"] * 4 + ["none"] * 4, "; no norm stands there, as one does in h.0 to h.3"),
        (["none"] * 8, ""),
        (["before"] * 8, ""),
        (["before"] * 3 + ["none"] * 5, ""),
    ],
    ids=["missing there", "nowhere", "everywhere", "missing in others too"],
)
def test_blocks_without_norms_are_told_from_others_that_have_them(norms, told):
    run = stream([(1, 1)] * 4 + [(3, 3)] * 4, norms)
    assert unlike_the_others(run, growth(run)) == told


def test_a_norm_is_as_wide_as_what_the_branches_read():
    run = stream([(3, 3)] * 8)
    assert branch_width(run, growth(run)) == 16


def test_the_finding_says_where_and_its_code_stands_in_the_blocks():
    run = stream([(1, 1)] * 4 + [(3, 3)] * 4, ["before"] * 4 + ["none"] * 4, iterations=30)
    finding = next(each for each in diagnose(run).findings if each.rule == "GL102")
    assert finding.blocks == ("h.4", "h.5", "h.6", "h.7")
    assert "attn and mlp of h.4 to h.7" in finding.message
    assert finding.remedies[0].code == (
        "# before the optimizer is made; where the branches take one tensor\n"
        "for block in model.h[4:8]:\n"
        "    block.attn = nn.Sequential(nn.LayerNorm(16), block.attn)\n"
        "    block.mlp = nn.Sequential(nn.LayerNorm(16), block.mlp)"
    )


def test_the_built_in_engine_gets_its_own_argument():
    run = stream([(3, 3)] * 8, ["none"] * 8, framework="gradlab", iterations=30)
    finding = next(each for each in diagnose(run).findings if each.rule == "GL102")
    assert finding.remedies[0].code == 'norm="layer"'


def test_weights_that_started_larger_than_in_other_blocks_are_to_start_like_these():
    run = stream([(1, 1)] * 4 + [(4, 1)] * 4, ["before"] * 8, iterations=30)
    norms = np.ones(run.shape)
    norms[:, :, 16:][:, :, [1, 5, 9, 13]] = 3.0  # attn.down of h.4 to h.7
    signals = {name: run[name] for name in run.columns} | {"weight_norm": norms}
    larger = Run.from_arrays(
        signals,
        layers=run.layers.to_dict("records"),
        config=run.config,
        blocks=run.blocks.to_dict("records"),
        block_signals={
            name: run.block_statistic(name) for name in ("stream_log_gain", "stream_grad_norm")
        },
    )
    finding = next(each for each in diagnose(larger).findings if each.rule == "GL102")
    assert str(finding.remedies[0]) == (
        "initialize attn.down in h.4 to h.7 as in the other blocks: these weights started 3 times "
        "as large"
    )
    assert finding.remedies[0].code.splitlines()[1] == "    model.h[4].attn.down.weight /= 3"
