"""Two processes that train together, held against one that has the whole batch.

All of it in float64 to 1e-9, but for what the mathematics does not give: a unit that is dead on
both halves of a batch counts as dead, though each half knows only its own share of them (an upper
bound); and units that lie in different shards are not compared (a lower bound).
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gradlab
from gradlab.run import BLOCK_STATISTICS, STATISTICS

torch = pytest.importorskip("torch")

from tests.adapters import ranks  # noqa: E402  # needs torch

SIZE, SECONDS = 2, 240
# each process knows the targets that it sees
APART = ["criterion_baseline", "target_fit", "right_share"]
AGREEING = [
    f"{kind}_{training}"
    for kind in ("ddp", "fsdp")
    for training in ("plain", "clipped", "accumulated", "long")
] + ["hsdp_plain", "hand_plain", "ddp_residual", "fsdp_residual"]
BROKEN = [
    f"{kind}_{training}"
    for kind in ("ddp", "fsdp")
    for training in ("poisoned", "logarithm", "stopped")
]
ENDED = [
    "ddp_derivative",
    "fsdp_derivative",
    "fsdp_checkpointed",
    "fsdp_overflown",
    "ddp_unequal",
    "ddp_merely_recorded",
    "fsdp1_plain",
    "ddp_all_interrupted",
    "fsdp_all_interrupted",
]
FAILING = ["ddp_one_fails", "fsdp_one_fails", "ddp_one_watches"]  # whose processes end with it


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at; all different."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


class Launched:
    """Pairs of processes that have run trainings: the folder of their runs, and what they printed.

    One process imports PyTorch, and forks into the pairs; each has a group of trainings.
    """

    def __init__(self, folder: Path, *groups: list[str], script: str = ranks.__file__):
        root = Path(__file__).parents[2]
        environment = os.environ | {
            "PYTHONPATH": str(root),
            "OMP_NUM_THREADS": "1",
            "GLOO_SOCKET_IFNAME": "lo",
        }
        words = [
            word
            for port, group in zip(free_ports(len(groups)), groups, strict=True)
            for word in (str(port), ",".join(group))
        ]
        process = subprocess.Popen(
            [sys.executable, script, str(SIZE), str(folder), *words],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            self.output = process.communicate(timeout=SECONDS)[0]
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert process.returncode == 0, self.output
        self.folder, self.codes = folder, json.loads((folder / "codes.json").read_text())

    def said(self, training: str) -> list[dict]:
        paths = [self.folder / f"{training}.{rank}.json" for rank in range(SIZE)]
        return [json.loads(path.read_text()) for path in paths]

    def run(self, training: str) -> gradlab.Run:
        return gradlab.load(self.folder / training)


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    ended = [[name] for name in FAILING]
    result = Launched(tmp_path_factory.mktemp("ranks"), [*AGREEING, *BROKEN, *ENDED], *ended)
    assert result.codes[0] == [0, 0], result.output
    return result


# What the parts can only bound, from above or below; see the top of this file.
ABOVE = {"dead_fraction": 1}
BELOW = {"fsdp": {"unit_similarity": -1}}


@pytest.mark.parametrize("name", AGREEING)
def test_processes_record_what_a_single_one_does(launched, name, tmp_path):
    kind, _, training = name.partition("_")
    run, single = launched.run(name), ranks.TRAININGS[training]("", tmp_path / "single").run
    assert run.iterations == single.iterations
    assert run.layers.equals(single.layers)
    bounds = {**ABOVE, **BELOW.get(kind, {})}
    for column in set(STATISTICS) - set(bounds):
        ours, theirs = run[column], single[column]
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-13, err_msg=column)
    for column, sign in bounds.items():
        apart = sign * (run[column] - single[column])[run.recorded(column)]
        assert (apart >= -1e-12).all(), column
    for column in set(STATISTICS) - set(BELOW.get(kind, {})):
        recorded = run.recorded(column)
        np.testing.assert_array_equal(recorded, single.recorded(column), err_msg=column)
    for column in BELOW.get(kind, {}):
        assert (run.recorded(column) <= single.recorded(column)).all()
    steps = run.steps.select_dtypes("float").drop(columns=APART, errors="ignore")
    for column in steps:
        np.testing.assert_allclose(steps[column], single.steps[column], rtol=1e-9, err_msg=column)
    # Each process has a best constant for its own targets: none is worse than one for all.
    baseline, for_all = (each.steps["criterion_baseline"].dropna() for each in (run, single))
    assert len(baseline) == len(for_all)
    assert (baseline <= for_all + 1e-12).all()
    assert run.steps["loss"].notna().all()


@pytest.mark.parametrize("name", ["ddp_residual", "fsdp_residual"])
def test_blocks_and_their_stream_are_those_of_a_single_process(launched, name, tmp_path):
    run, single = launched.run(name), ranks.residual("", tmp_path / "single").run
    assert run.blocks.equals(single.blocks)
    assert run.blocks["block"].tolist() == ["body.1", "body.2", "body.1.up-down", "body.2.up-down"]
    for column in BLOCK_STATISTICS:
        ours, theirs = run.block_statistic(column), single.block_statistic(column)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, err_msg=column)
    # A skip that is an identity has no factor of its own.
    for column in set(BLOCK_STATISTICS) - {"skip_log_gain"}:
        assert np.isfinite(run.block_statistic(column)[..., :2]).all()


COMPARED = (
    "grad_norm",
    "delta_norm",
    "per_example_grad_norm",
    "weight_norm",
    "update_norm",
    "update_ratio",
    "activation_mean",
    "activation_std",
    "activation_rms",
    "second_moment_rms",
)


def test_what_is_compared_was_measured(launched):
    """The columns compared are there in the run of several processes itself."""
    for name in AGREEING:
        run = launched.run(name).matrices
        for column in COMPARED:
            assert run.recorded(column)[0].all(), (name, column)
            assert np.isfinite(run[column][0]).all(), (name, column)
        assert run.recorded("log_gain_weight")[0, 0].sum() >= 2, name
        assert run.steps["expected_decrease"][0] != 0
        assert (
            "clipped_grad_norm" in run.steps.columns
            and run.steps["clipped_grad_norm"].notna().all()
        ) == ("clipped" in name)


def test_clipping_is_seen_from_both_sides(launched):
    for kind in ("ddp", "fsdp"):
        steps = launched.run(f"{kind}_clipped").steps
        bites = steps["grad_norm"] > 0.05
        assert bites.any()
        np.testing.assert_allclose(
            steps["clipped_grad_norm"][bites], 0.05, rtol=1e-4
        )  # torch adds 1e-6 to the norm


@pytest.mark.parametrize("name", AGREEING)
def test_one_process_holds_the_run_and_the_other_says_so(launched, name):
    first, second = launched.said(name)
    assert first["error"] is second["error"] is None
    assert "run" not in first
    assert second["run"] == "process 1 holds no record; the one of rank 0 does"
    assert launched.run(name).provenance["status"] == "complete"
    assert launched.run(name).config["processes"] == SIZE
    halves = 2 if name.endswith(("accumulated", "residual")) else 1
    assert launched.run(name).config["batch_size"] == ranks.BATCH // halves
    assert launched.run(name).config["model"] == launched.run(name).name


@pytest.mark.parametrize("name", BROKEN)
def test_the_process_whose_batch_broke_is_named(launched, name):
    run = launched.run(name)
    operation = "aten.log" if "logarithm" in name else "input"
    found = run.provenance["nonfinite_by_rank"]
    assert list(found) == ["1"]
    assert (found["1"]["iteration"], found["1"]["phase"], found["1"]["operation"]) == (
        13,
        "forward",
        operation,
    )
    assert run.provenance["nonfinite_origin"]["rank"] == 1
    assert run.steps["nonfinite_phase"][13] == "forward"
    assert run.steps["nonfinite_phase"][:13].isna().all()
    finding = gradlab.diagnose(run).findings[0]
    assert (finding.rule, finding.iterations[0]) == ("GL001", 13)
    assert "on the process of rank 1" in finding.message


@pytest.mark.parametrize("name", ["ddp_derivative", "fsdp_derivative", "fsdp_checkpointed"])
def test_the_process_whose_derivative_broke_is_named(launched, name):
    run = launched.run(name)
    assert list(run.provenance["nonfinite_by_rank"]) == ["1"]
    origin = run.provenance["nonfinite_origin"]
    found = origin["rank"], origin["operation"], origin["phase"], origin["iteration"]
    assert found == (1, "aten.sqrt", "backward", 13)
    assert origin["file"].endswith("ranks.py")
    assert "torch.sqrt(" in origin["code"]
    assert "on the process of rank 1" in gradlab.diagnose(run).findings[0].message


def test_an_update_is_named_that_each_process_sees_in_its_own_shard(launched):
    run = launched.run("fsdp_overflown")
    assert list(run.provenance["nonfinite_by_rank"]) == ["0", "1"]
    origin = run.provenance["nonfinite_origin"]
    assert (origin["operation"], origin["phase"], origin["iteration"]) == ("update", "update", 13)
    assert origin["why"] == "the learning rate of the step was inf"
    assert origin["code"] == "optimizer.step()"


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_every_process_stops(launched, kind):
    first, second = launched.said(f"{kind}_stopped")
    assert first["error"] == second["error"] == "NonFiniteError"
    assert first["text"].startswith(
        "stopped at iteration 13, before a non-finite gradient reached the weights\n"
    )
    assert "GL001" in first["text"]
    assert second["text"].endswith("; the process of rank 0 holds the record")
    assert launched.run(f"{kind}_stopped").iterations == 14


def test_the_first_fsdp_is_refused_in_a_sentence(launched):
    for said in launched.said("fsdp1_plain"):
        assert said["error"] == "ArgumentError"
        assert said["text"].startswith(
            "model is in FullyShardedDataParallel, which keeps no weight matrix"
        )


def test_without_a_look_the_logged_loss_tells_the_process(launched):
    found = launched.run("ddp_merely_recorded").provenance["nonfinite_by_rank"]
    assert found == {"1": {"iteration": 13, "phase": "loss"}}


def test_a_process_that_ends_before_the_other_holds_nobody_up(launched):
    assert [said["iterations"] for said in launched.said("ddp_unequal")] == [6, 4]
    run = launched.run("ddp_unequal").matrices
    assert (run.iterations, run.provenance["status"]) == (6, "complete")
    assert np.isfinite(run["delta_norm"]).all()


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_an_interrupt_of_all_loses_nothing(launched, kind):
    run = launched.run(f"{kind}_all_interrupted").matrices
    assert (run.iterations, run.provenance["status"]) == (5, "interrupted by KeyboardInterrupt")
    assert np.isfinite(run["delta_norm"]).all()
    assert "joined_until" not in run.provenance


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_when_one_process_fails_the_other_writes_what_it_knows(launched, kind):
    name = f"{kind}_one_fails"
    first, second = launched.said(name)
    assert (second["error"], second["text"]) == (
        "ValueError",
        "no such file",
    )  # and not what came of it
    assert first["error"] is not None
    run = launched.run(name)
    assert run.iterations == 13
    assert run.provenance["status"].startswith("interrupted by ")
    assert run.provenance["joined_until"] == 0
    assert run.steps["loss"].notna().all()
    # Of shards, the norm of the whole is not known.
    assert run.recorded("grad_norm").any() == (kind == "ddp")
    assert not run.recorded("delta_norm").any()


def test_a_process_that_does_not_watch_is_missed(launched):
    first, _ = launched.said("ddp_one_watches")
    assert first["error"] == "ArgumentError"
    assert first["text"].startswith(
        "only some of the 2 processes called watch within 0:00:03; let every one of them"
    )
