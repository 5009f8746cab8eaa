"""Numbers that are not finite in steps that a GradScaler skips: no update ever sees them."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import gradlab  # noqa: E402
from gradlab.adapters.torch import breakdown, watch  # noqa: E402


class Planted(nn.Module):
    def __init__(self, operation):
        super().__init__()
        self.body, self.head, self.operation = nn.Linear(4, 8), nn.Linear(8, 3), operation

    def forward(self, x, on):
        return self.head(self.operation(self.body(x).float().abs() + 1, on))


def logarithm(h, on):
    return torch.log(h * (1 - on))


def root(h, on):
    return torch.sqrt(h * (1 - on))


def same(h, on):
    return h


def trained(operation, start, steps=30, scale=1024.0, bad_batch=None):
    """Train under a GradScaler; from `start` on, the operation is given 0; return the watch."""
    torch.manual_seed(0)
    model = Planted(operation)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    with watch(model, optimizer) as recorder:
        for step in range(steps):
            x, y = torch.randn(8, 4), torch.randint(3, (8,))
            x[3] = float("nan") if step == bad_batch else x[3]
            with torch.autocast("cpu", torch.float16):
                loss = F.cross_entropy(model(x, torch.tensor(float(step >= start))).float(), y)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            recorder.log(loss=loss)
    return recorder


@pytest.mark.parametrize(
    ("operation", "name", "phase"),
    [(logarithm, "aten.log", "forward"), (root, "aten.sqrt", "backward")],
)
def test_what_no_smaller_scale_can_help_is_named_with_its_line(operation, name, phase):
    recorder = trained(operation, start=12)
    origin = recorder.run.provenance["skipped_origin"]
    assert (origin["operation"], origin["phase"], origin["iteration"]) == (name, phase, 12)
    assert origin["file"].endswith("test_skipped.py")
    assert origin["code"].startswith(f"return torch.{name.removeprefix('aten.')}")
    (finding,) = gradlab.diagnose(recorder.run).findings
    assert finding.rule == "GL307"
    assert f"What is not finite in them: made by {name} in module Planted at" in finding.message
    assert f"at {origin['file']}:{origin['line']}" in finding.remedies[0].words
    assert recorder.replay().origin.operation == name


def test_a_scaler_that_looks_for_its_scale_is_let_alone():
    most = trained(same, start=99, scale=2.0**33)
    assert most.run.provenance["skipped_steps"]["count"] >= breakdown.SKIPS_ENDURED
    assert "nonfinite_origin" not in most.run.provenance
    assert gradlab.diagnose(most.run).ok


def test_one_bad_batch_is_kept_and_its_loss_belongs_to_no_iteration():
    recorder = trained(same, start=99, bad_batch=13)
    (kept,) = recorder.batches
    assert (kept.iteration, kept.why, kept.rows) == (13, "non-finite", (3,))
    assert recorder.run.provenance["skipped_origin"]["argument"] == "x"
    assert recorder.run.steps["loss"].notna().all()
    assert "GL001" not in {each.rule for each in gradlab.diagnose(recorder.run).findings}


def test_where_every_step_is_skipped_warning_and_record_say_what_broke():
    with pytest.warns(RuntimeWarning, match=r"all 12 steps of SGD were skipped.*aten\.log in mod"):
        recorder = trained(logarithm, start=0, steps=12)
    assert recorder.run.iterations == 0
    assert recorder.run.provenance["skipped_steps"]["count"] == 12
    assert recorder.run.config["parameters"]["without_gradient"] == 0
    (finding,) = gradlab.diagnose(recorder.run).findings
    assert (finding.rule, finding.severity) == ("GL307", "error")
    assert "all 12 were skipped" in finding.message
    assert "aten.log" in finding.message
