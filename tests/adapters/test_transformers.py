"""A Hugging Face training of a tiny GPT-2 against a plain loop that computes its own norms."""

import json

import numpy as np
import pytest

import gradlab

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from gradlab.adapters.transformers import GradlabCallback  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers warns of its own future
CLIP, MICRO, BATCH, LENGTH, STEPS = 0.4, 3, 4, 12, 6


def texts(count=MICRO * BATCH * STEPS):
    """Sequences with partly masked labels: micro-batches count different numbers of tokens."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(40, (count, LENGTH), generator=generator)
    labels = tokens.clone()
    for row, length in zip(
        labels, torch.randint(3, LENGTH, (count,), generator=generator).tolist(), strict=True
    ):
        row[length:] = -100
    return [{"input_ids": x, "labels": y} for x, y in zip(tokens, labels, strict=True)]


def gpt():
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=40,
        n_positions=LENGTH,
        n_embd=16,
        n_layer=2,
        n_head=2,
        resid_pdrop=0,
        embd_pdrop=0,
        attn_pdrop=0,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = transformers.GPT2LMHeadModel(config).double()
    # Unset, the Trainer counts the first token of every text as a target too.
    model.loss_type = "ForCausalLM"
    return model


class Classifier(torch.nn.Module):
    """A model that takes no number of items: the Trainer divides by the micro-batches."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = torch.nn.Sequential(
            torch.nn.Linear(6, 9), torch.nn.Tanh(), torch.nn.Linear(9, 3)
        ).double()

    def forward(self, x, labels):
        logits = self.net(x)
        return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}


def vectors(count=MICRO * BATCH * STEPS):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, 6, dtype=torch.float64, generator=generator)
    return [
        {"x": a, "labels": b}
        for a, b in zip(x, torch.randint(3, (count,), generator=generator), strict=True)
    ]


class InOrder(transformers.Trainer):
    def _get_train_sampler(self, dataset=None):
        return torch.utils.data.SequentialSampler(self.train_dataset)


def fit(model, data, callback, folder, kind=InOrder, **options):
    arguments = transformers.TrainingArguments(
        str(folder / "trainer"),
        per_device_train_batch_size=BATCH,
        num_train_epochs=1,
        optim="sgd",
        lr_scheduler_type="constant",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        save_strategy="no",
        **{
            "gradient_accumulation_steps": MICRO,
            "learning_rate": 0.5,
            "max_grad_norm": CLIP,
            "logging_steps": 1,
        }
        | options,
    )
    trainer = kind(
        model=model,
        args=arguments,
        train_dataset=data,
        eval_dataset=data[:BATCH],
        callbacks=[callback],
    )
    trainer.train()
    return trainer


def expected(model, data, clip, loss_of):
    """What a plain loop finds: losses, norms before and after clipping, updates of one matrix."""
    found = {name: [] for name in ("loss", "grad_norm", "clipped", "update")}
    watched = next(p for p in model.parameters() if p.ndim == 2)
    for start in range(0, len(data), MICRO * BATCH):
        parts = [data[start + k * BATCH : start + (k + 1) * BATCH] for k in range(MICRO)]
        loss = loss_of(
            model,
            [{key: torch.stack([each[key] for each in part]) for key in part[0]} for part in parts],
        )
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        norm = float(torch.cat([g.reshape(-1) for g in gradients]).square().sum().sqrt())
        factor = min(1.0, clip / (norm + 1e-6))
        before = watched.detach().clone()
        with torch.no_grad():
            for p, g in zip(model.parameters(), gradients, strict=True):
                p -= 0.5 * factor * g
        found["loss"].append(float(loss.detach()))
        found["grad_norm"].append(norm)
        found["clipped"].append(norm * factor)
        found["update"].append(float((watched - before).detach().norm()))
    return found


def of_tokens(model, parts):
    """The mean over all tokens of all micro-batches that count, as the Trainer normalizes it."""
    count, total = 0, 0
    for part in parts:
        logits, labels = model(part["input_ids"]).logits[:, :-1], part["labels"][:, 1:]
        total = total + torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), reduction="sum"
        )
        count += (labels != -100).sum()
    return total / count


def of_batches(model, parts):
    return sum(model(**part)["loss"] for part in parts) / MICRO


@pytest.mark.parametrize(
    ("make", "make_data", "loss_of"), [(gpt, texts, of_tokens), (Classifier, vectors, of_batches)]
)
def test_what_the_trainer_does_is_recorded(tmp_path, make, make_data, loss_of):
    callback, data = GradlabCallback(tmp_path / "run", every=1), make_data()
    trainer = fit(make(), data, callback, tmp_path, eval_strategy="epoch")
    run, found = callback.run, expected(make(), data, CLIP, loss_of)
    steps, tolerance = (
        run.steps,
        1e-6 if make is gpt else 1e-9,
    )  # a language model's loss is computed in float32
    assert run.iterations == STEPS
    np.testing.assert_allclose(steps["grad_norm"], found["grad_norm"], rtol=tolerance)
    np.testing.assert_allclose(steps["clipped_grad_norm"], found["clipped"], rtol=tolerance)
    np.testing.assert_allclose(steps["loss"], found["loss"], rtol=tolerance)
    assert (steps["clipped_grad_norm"] < 0.99 * steps["grad_norm"]).any()
    first = run.layers["name"].tolist().index("transformer.wte" if make is gpt else "net.0")
    np.testing.assert_allclose(run["update_norm"][:, 0, first], found["update"], rtol=tolerance)
    logged = [each["loss"] for each in trainer.state.log_history if "loss" in each]
    np.testing.assert_allclose(steps["loss"], logged, atol=1e-4)  # the Trainer rounds
    evaluated = [each["eval_loss"] for each in trainer.state.log_history if "eval_loss" in each]
    np.testing.assert_allclose(steps["validation_loss"].dropna(), evaluated)
    assert (len(evaluated), run.provenance["status"]) == (1, "complete")
    assert run.config["gradient_accumulation"] == MICRO
    assert gradlab.load(tmp_path / "run").iterations == STEPS


def test_the_parts_of_a_gpt_are_layers(tmp_path):
    callback = GradlabCallback(every=1)
    fit(gpt(), texts(), callback, tmp_path)
    layers = callback.run.matrices.layers.set_index("name")
    assert {
        "transformer.wte",
        "transformer.h.0.attn.c_attn",
        "transformer.h.1.mlp.c_proj",
        "lm_head",
    } <= set(layers.index)
    assert layers.loc["transformer.h.0.attn.c_attn", ["fan_in", "fan_out"]].tolist() == [16, 48]
    seen = callback.run.matrices.recorded("delta_norm")[:, 0].all(axis=0)
    assert seen.sum() >= len(layers) - 1


def test_a_loss_of_the_trainers_own_is_recorded_as_it_logs_it(tmp_path):
    callback = GradlabCallback(every=1)
    trainer = fit(gpt(), texts(), callback, tmp_path, label_smoothing_factor=0.1, logging_steps=2)
    logged = [each["loss"] for each in trainer.state.log_history if "loss" in each]
    steps = callback.run.steps
    np.testing.assert_allclose(steps["loss"].dropna(), logged)
    assert steps["loss"].dropna().index.tolist() == [1, 3, 5]


def test_watching_leaves_the_training_as_it_was(tmp_path):
    watched, alone = gpt(), gpt()
    fit(watched, texts(), GradlabCallback(every=1), tmp_path)
    fit(alone, texts(), transformers.TrainerCallback(), tmp_path)
    for ours, theirs in zip(watched.parameters(), alone.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert not any(
        module._forward_hooks or module._forward_pre_hooks for module in watched.modules()
    )


def test_a_nan_stops_the_training_before_it_reaches_the_weights(tmp_path):
    data, model = vectors(), Classifier()
    data[MICRO * BATCH * 2]["x"] *= float("nan")
    callback = GradlabCallback(tmp_path / "run", on_nonfinite="stop")
    with pytest.raises(gradlab.errors.NonFiniteError, match="stopped at iteration 2"):
        fit(model, data, callback, tmp_path)
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())
    run = gradlab.load(tmp_path / "run")
    assert run.provenance["nonfinite_origin"]["operation"] == "input"
    assert run.provenance["status"].startswith("stopped at iteration 2")


def test_a_training_that_fails_can_be_followed_by_another(tmp_path):
    class Broken(InOrder):
        def training_step(self, *arguments, **keywords):
            if self.state.global_step == 3:
                raise OSError("no such file")
            return super().training_step(*arguments, **keywords)

    model, callback = Classifier(), GradlabCallback(tmp_path / "run", overwrite=True)
    with pytest.raises(OSError, match="no such file"):
        fit(model, vectors(), callback, tmp_path, kind=Broken)
    assert gradlab.load(tmp_path / "run").provenance["status"] != "complete"
    fit(model, vectors(), callback, tmp_path)
    assert json.loads(json.dumps(callback.run.provenance))["status"] == "complete"
    assert callback.run.iterations == STEPS


def test_before_the_training_there_is_no_run():
    with pytest.raises(
        gradlab.errors.RunError, match=r"call Trainer\.train with this callback first"
    ):
        GradlabCallback().run  # noqa: B018


class Stopped(Exception):
    """What a search for hyperparameters raises to give a training up."""


def with_a_nan():
    data = vectors()
    data[2 * MICRO * BATCH]["x"][0] = float("nan")  # in the third update
    return data


def test_on_finding_is_told_and_the_trainer_goes_on(tmp_path):
    told = []
    callback = GradlabCallback(on_finding=told.append, on_nonfinite="record")
    fit(Classifier(), with_a_nan(), callback, tmp_path)
    (root,) = told
    assert "GL001" in [finding.rule for finding in (root, *root.consequences)]
    assert callback.run.iterations == STEPS


def test_what_on_finding_raises_ends_the_training_and_the_record_is_kept(tmp_path):
    def stop(finding):
        raise Stopped(finding.message)

    callback = GradlabCallback(tmp_path / "run", on_finding=stop, on_nonfinite="record")
    with pytest.raises(Stopped):
        fit(Classifier(), with_a_nan(), callback, tmp_path)
    callback.close()
    assert gradlab.load(tmp_path / "run").iterations >= 2
