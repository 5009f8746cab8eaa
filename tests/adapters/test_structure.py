"""Where a parameter lives: blocks and roles of models that nobody here wrote, without help."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from gradlab.adapters.torch import watch  # noqa: E402
from gradlab.adapters.torch.rows import find_rows  # noqa: E402
from gradlab.adapters.torch.structure import Structure  # noqa: E402
from gradlab.errors import ArgumentError  # noqa: E402
from tests.adapters.loops import mlp, train  # noqa: E402
from tests.adapters.models import GPT  # noqa: E402

SMALL = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}


def of_transformers(model: str, config: str, **settings) -> nn.Module:
    transformers = pytest.importorskip("transformers")
    return getattr(transformers, model)(getattr(transformers, config)(**settings))


def gpt2():
    return of_transformers(
        "GPT2LMHeadModel", "GPT2Config", vocab_size=50, n_positions=16, n_embd=32, n_layer=2,
        n_head=2, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip


def llama():
    return of_transformers("LlamaForCausalLM", "LlamaConfig", vocab_size=50, **SMALL)


def bert():
    return of_transformers("BertModel", "BertConfig", vocab_size=50, **SMALL)


def t5():
    return of_transformers(
        "T5ForConditionalGeneration", "T5Config", vocab_size=50, d_model=32, d_kv=16, d_ff=64,
        num_layers=2, num_heads=2, decoder_start_token_id=0,
    )  # fmt: skip


def vit():
    return of_transformers("ViTModel", "ViTConfig", image_size=16, patch_size=8, **SMALL)


def resnet():
    return of_transformers(
        "ResNetModel", "ResNetConfig", embedding_size=8, hidden_sizes=[8, 16], depths=[2, 2],
        layer_type="basic",
    )  # fmt: skip


def unet():
    diffusers = pytest.importorskip("diffusers")
    return diffusers.UNet2DModel(
        sample_size=16, in_channels=1, out_channels=1, layers_per_block=1,
        block_out_channels=(8, 16), down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"), norm_num_groups=4, attention_head_dim=8,
    )  # fmt: skip


def of_timm(name: str, **settings) -> nn.Module:
    return pytest.importorskip("timm").create_model(name, **settings)


def timm_resnet():
    return of_timm("resnet18", num_classes=3)


def timm_vit():
    return of_timm("vit_tiny_patch16_224", depth=2, img_size=32)


class HandMadeUNet(nn.Module):
    """Stages are numbered attributes; each is a list of residual blocks."""

    class Block(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.norm = nn.GroupNorm(1, width)
            self.conv1 = nn.Conv2d(width, width, 3, padding=1)
            self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def __init__(self):
        super().__init__()
        self.down1 = nn.ModuleList([self.Block(4), self.Block(4)])
        self.down2 = nn.ModuleList([self.Block(8), self.Block(8)])
        self.up1 = nn.ModuleList([self.Block(4), self.Block(4)])


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.lstm = nn.Embedding(8, 4), nn.LSTM(4, 5, num_layers=2)
        self.head = nn.Linear(5, 8)


class Experts(nn.Module):
    """A block whose experts are a list of like modules: parts of the block, and none themselves."""

    class Expert(nn.Module):
        def __init__(self):
            super().__init__()
            self.up, self.down = nn.Linear(4, 8), nn.Linear(8, 4)

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.gate = nn.Linear(4, 3)
            self.experts = nn.ModuleList(Experts.Expert() for _ in range(3))

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(Experts.Layer() for _ in range(2))


TABLE = [
    (gpt2, ["transformer.h.0", "transformer.h.1"],
     ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"]),
    (llama, ["model.layers.0", "model.layers.1"],
     ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
      "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]),
    (bert, ["encoder.layer.0", "encoder.layer.1"],
     ["attention.self.query", "attention.self.key", "attention.self.value",
      "attention.output.dense", "intermediate.dense", "output.dense"]),
    (t5, ["encoder.block.0", "encoder.block.1", "decoder.block.0", "decoder.block.1"],
     ["layer.0.SelfAttention.q", "layer.0.SelfAttention.k", "layer.0.SelfAttention.v",
      "layer.0.SelfAttention.o", "layer.0.SelfAttention.relative_attention_bias",
      "layer.1.DenseReluDense.wi", "layer.1.DenseReluDense.wo"]),
    (resnet, [f"encoder.stages.{stage}.layers.{n}" for stage in (0, 1) for n in (0, 1)],
     ["layer.0.convolution", "layer.1.convolution"]),
    (timm_resnet, [f"layer{stage}.{n}" for stage in (1, 2, 3, 4) for n in (0, 1)],
     ["conv1", "conv2"]),
    (timm_vit, ["blocks.0", "blocks.1"], ["attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"]),
    (unet, ["down_blocks.0.resnets.0", "down_blocks.1.attentions.0", "down_blocks.1.resnets.0",
            "mid_block.attentions.0", "mid_block.resnets.0", "mid_block.resnets.1",
            "up_blocks.0.attentions.0", "up_blocks.0.attentions.1", "up_blocks.0.resnets.0",
            "up_blocks.0.resnets.1", "up_blocks.1.resnets.0", "up_blocks.1.resnets.1"],
     ["conv1", "time_emb_proj", "conv2"]),
    (HandMadeUNet, [f"{stage}.{n}" for stage in ("down1", "down2", "up1") for n in (0, 1)],
     ["conv1", "conv2"]),
    (GPT, ["blocks.0", "blocks.1", "blocks.2"], ["attention.qkv", "attention.proj", "up", "down"]),
    (Experts, ["layers.0", "layers.1"],
     ["gate", *(f"experts.{n}.{w}" for n in range(3) for w in ("up", "down"))]),
    (Lstm, [], []),
    (lambda: mlp(6, 8, 8, 3), [], []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "blocks", "roles"), TABLE, ids=lambda each: getattr(each, "__name__", "")
)
def test_blocks_and_roles_are_found(make, blocks, roles):
    model = make()
    structure = Structure(model)
    assert sorted(block.path for block in structure.blocks) == sorted(blocks)
    matrices = [row for row in find_rows(model) if row.is_matrix]
    first = [row for row in matrices if blocks and structure.block_of(row.path) == blocks[0]]
    assert [structure.role_of(row.name) for row in first] == roles


def test_a_vision_transformer_has_blocks_and_its_class_token_is_a_vector():
    model = vit()
    blocks = [block.path for block in Structure(model).blocks]
    assert len(blocks) == 2
    assert all(path.endswith((".0", ".1")) for path in blocks)
    kinds = {row.name: row.kind for row in find_rows(model)}
    assert kinds["embeddings.cls_token"] == "vector"
    assert kinds["embeddings.position_embeddings"] == "vector"
    assert kinds["embeddings.patch_embeddings.projection"] == "Conv2d"


def test_blocks_are_chosen_by_hand():
    structure = Structure(GPT(), ("blocks.*.attention",))
    assert [block.path for block in structure.blocks] == [f"blocks.{n}.attention" for n in range(3)]
    assert structure.role_of("blocks.1.attention.qkv") == "qkv"
    assert structure.block_of("blocks.1.up") == ""


@pytest.mark.parametrize("pattern", ["encoder.layer.*", "block.*", "blocks.*.attn"])
def test_a_wrong_pattern_names_the_paths_that_exist(pattern):
    model = GPT()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(ArgumentError, match=r"matches no module.*blocks\.\*") as caught:
        watch(model, optimizer, blocks=pattern)
    assert "\n" not in str(caught.value)


# -- the columns of a run


def recorded(model, data, steps=12, **options):
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    with watch(model, optimizer, **options) as recorder:
        train(model, optimizer, steps, recorder, data)
    return recorder.run


def test_a_run_says_where_each_layer_lives():
    torch.manual_seed(0)
    tokens = torch.randint(0, 128, (2, 16))
    run = recorded(GPT(), (tokens, tokens.flatten()))
    layers = run.layers
    matrices, vectors = layers[layers["kind"] != "vector"], layers[layers["kind"] == "vector"]
    assert matrices.index.tolist() + vectors.index.tolist() == list(range(len(layers)))
    qkv = layers[layers["name"] == "blocks.1.attention.qkv"].iloc[0]
    assert (qkv["path"], qkv["block"], qkv["role"]) == (
        "blocks.1.attention.qkv", "blocks.1", "attention.qkv",
    )  # fmt: skip
    bias = layers[layers["name"] == "blocks.1.attention.qkv.bias"].iloc[0]
    assert (bias["kind"], bias["role"], bias["owner"]) == (
        "vector", "attention.qkv.bias", "Linear",
    )  # fmt: skip
    assert layers[layers["name"] == "norm.weight"].iloc[0]["block"] == ""
    blocks = run.blocks
    assert blocks["block"].tolist()[:3] == ["blocks.0", "blocks.1", "blocks.2"]
    inside = [layers["name"][n - 1] for n in blocks["layers"].iloc[1]]
    assert inside == layers["name"][layers["block"] == "blocks.1"].tolist()


def test_vectors_are_measured_as_plain_arithmetic_does():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 3)).double()
    x, y = torch.randn(16, 6, dtype=torch.float64), torch.randint(0, 3, (16,))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    nn.functional.cross_entropy(model(x), y).backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    run = recorded(model, (x, y), steps=1)
    vectors = run.vectors
    names = vectors.layers["name"].tolist()
    assert names == ["0.bias", "1.weight", "1.bias", "2.bias"]
    for row, name in enumerate(names):
        length, gradient = float(before[name].norm()), float(gradients[name].norm())
        assert vectors["grad_norm"][0, 0, row] == pytest.approx(gradient)
        assert vectors["weight_norm"][0, 0, row] == pytest.approx(length, abs=1e-300)
        assert vectors["update_norm"][0, 0, row] == pytest.approx(0.05 * gradient)
        assert vectors["lost_fraction"][0, 0, row] == 0
        assert vectors["nonfinite_count"][0, 0, row] == 0
    assert vectors["update_ratio"][0, 0, 1] == pytest.approx(
        0.05 * gradients["1.weight"].norm() / 8**0.5
    )
    for name in ("delta_norm", "unit_similarity", "grad_max", "log_gain_weight", "update_cosine"):
        assert not vectors.recorded(name).any(), name


def test_layer_numbers_do_not_depend_on_vectors():
    data = torch.randn(16, 6), torch.randint(0, 3, (16,))
    biased = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    bare = nn.Sequential(nn.Linear(6, 8, bias=False), nn.Tanh(), nn.Linear(8, 3, bias=False))
    first, second = recorded(biased, data), recorded(bare, data)
    assert first.matrices.layers["name"].tolist() == second.layers["name"].tolist()
    assert second.vectors is None


def test_a_bf16_scale_that_never_moves_shows():
    model = nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 3)).bfloat16()
    data = torch.randn(16, 6).bfloat16(), torch.randint(0, 3, (16,))
    optimizer = torch.optim.SGD(model.parameters(), 1e-4)
    with watch(model, optimizer) as recorder:
        train(model, optimizer, 10, recorder, data)
    vectors = recorder.run.vectors
    scale = vectors.layers["name"].tolist().index("1.weight")
    assert (vectors["lost_fraction"][:, 0, scale] == 1).all()


# -- what moved the weights


def test_a_penalty_shows_as_a_gradient_along_the_weights():
    torch.manual_seed(0)
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with watch(model, optimizer, every=1) as recorder:
        for _ in range(3):
            optimizer.zero_grad()
            sum(p.square().sum() for p in model.parameters()).backward()
            optimizer.step()
    run = recorder.run.matrices
    assert run["grad_weight_cosine"] == pytest.approx(np.ones((3, 1, 2)))


def test_the_cosine_of_gradient_and_weights_is_that_of_autograd():
    torch.manual_seed(0)
    model = mlp(6, 8, 3)
    x, y = torch.randn(16, 6, dtype=torch.float64), torch.randint(0, 3, (16,))
    nn.functional.cross_entropy(model(x), y).backward()
    expected = [
        float(nn.functional.cosine_similarity(p.grad.flatten(), p.detach().flatten(), dim=0))
        for p in model.parameters() if p.ndim > 1
    ]  # fmt: skip
    model.zero_grad()
    run = recorded(model, (x, y), steps=1).matrices
    assert run["grad_weight_cosine"][0, 0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("every", [1, None])
def test_a_clamp_between_steps_is_told_from_the_optimizers_update(every):
    torch.manual_seed(0)
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    x, y = torch.randn(16, 6, dtype=torch.float64), torch.randint(0, 3, (16,))
    expected = []
    with watch(model, optimizer, every=every) as recorder:
        for _ in range(31):
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
            with torch.no_grad():
                before = model[0].weight.clone()
                model[0].weight.clamp_(-0.1, 0.1)
                expected.append(float((model[0].weight - before).norm()))
    run = recorder.run.matrices
    outside, known = run["outside_update_norm"][:, 0], run.recorded("outside_update_norm")[:, 0, 0]
    times = np.flatnonzero(known)
    assert times.tolist() == (list(range(1, 31)) if every else [*range(1, 10), 10, 20, 30])
    assert outside[times, 0] == pytest.approx(np.array(expected)[times - 1])
    assert (outside[times, 1] == 0).all()


# -- numbers of the whole net


def test_examples_score_inputs_and_skipped_steps_are_columns():
    model = mlp(6, 8, 3, dtype=torch.float32)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    x, y = 5 * torch.ones(12, 6), torch.randint(0, 3, (12,))
    with watch(model, optimizer) as recorder:
        for step in range(4):
            for part in range(2):
                rows = slice(6 * part, 6 * part + 6)
                loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
                scaler.scale(loss * (float("inf") if step == 2 else 1)).backward()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            recorder.log(score=step)
    run = recorder.run
    assert run.step("examples")[:, 0].tolist() == [12, 12, 12]
    assert run.step("skipped_steps")[:, 0].tolist() == [0, 0, 1]
    assert run.step("loss_scale")[:, 0].tolist() == [1024, 1024, 512]
    assert run.output_factors[-1] == ("loss: multiply", pytest.approx(1))  # without the scale
    assert run.step("input_rms")[:, 0] == pytest.approx([5, 5, 5])
    assert run.step("score")[0, 0] == 0


def test_the_rate_of_the_config_is_what_the_optimizer_was_made_with():
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 10)
    with watch(model, optimizer) as recorder:
        loss = model(torch.ones(2, 3)).square().mean()
        loss.backward()
        optimizer.step()
    run = recorder.close()
    assert run.config["learning_rate"] == 0.5
    assert run.step("learning_rate")[0, 0] == 0


def test_the_rate_is_recorded_as_the_schedule_changes_it():
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.8)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    x, y = torch.randn(16, 6, dtype=torch.float64), torch.randint(0, 3, (16,))
    with watch(model, optimizer) as recorder:
        for _ in range(15):
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            schedule.step()
    assert recorder.run.step("learning_rate")[:, 0] == pytest.approx(0.8 * 0.5 ** np.arange(15))


def test_parameters_are_counted_by_what_becomes_of_them():
    model = nn.ModuleDict(
        {"used": nn.Linear(6, 3), "frozen": nn.Linear(6, 3),
         "left": nn.Linear(2, 2), "idle": nn.Linear(3, 3)}
    )  # fmt: skip
    model["frozen"].requires_grad_(False)
    trained = [
        *model["used"].parameters(),
        *model["frozen"].parameters(),
        *model["idle"].parameters(),
    ]
    optimizer = torch.optim.SGD(trained, 0.1)
    with watch(model, optimizer) as recorder:
        for _ in range(2):
            model["used"](torch.randn(4, 6)).sum().backward()
            optimizer.step()
    run = recorder.run
    assert run.config["parameters"] == {
        "trainable": 21 + 6 + 12, "frozen": 21, "without_optimizer": 6, "without_gradient": 12,
    }  # fmt: skip
    assert run.provenance["not_in_optimizer"] == ["left", "left.bias"]
    assert run.provenance["without_gradient"] == ["idle", "idle.bias"]
