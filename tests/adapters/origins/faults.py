"""Planted non-finite numbers: each is one line of a module or of a loss, marked `# <- here`.

Every fault is harmless while `on` is 0, and breaks when the batch brings `on` = 1. `OPERATION` is
what the origin has to name, as a regular expression. Forward: the operation's result is the first
that is not finite. Backward: its derivative is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

INFINITY = float("inf")
WIDTH = 16


class Fault(nn.Module):
    """A module of the net that is at fault."""

    OPERATION = ""

    def forward(self, h: Tensor, on: Tensor) -> Tensor:
        raise NotImplementedError


# -- born in the forward pass ----------------------------------------------------------------------


class LogOfZero(Fault):
    OPERATION = r"\blog\b"

    def forward(self, h, on):
        p = h.float().sigmoid() * (1 - on)
        return torch.log(p)  # <- here


class LogOfNegative(Fault):
    OPERATION = r"\blog\b"

    def forward(self, h, on):
        return torch.log(h.abs() + 1 - 100 * on)  # <- here


class ExpOverflow(Fault):
    OPERATION = r"\bexp\b"

    def forward(self, h, on):
        scores = h.abs() * (1 + 1e5 * on)
        weight = torch.exp(scores)  # <- here
        return torch.log1p(weight)


class SoftmaxByHand(Fault):
    OPERATION = r"\bexp\b"

    def forward(self, h, on):
        e = (h.abs() * (1 + 1e5 * on)).exp()  # <- here
        return e / e.sum(-1, keepdim=True)


class ZeroOverZero(Fault):
    OPERATION = r"\bdiv\b"

    def forward(self, h, on):
        h = h.abs() * (1 - on)
        return h / h.sum(-1, keepdim=True)  # <- here


class DividedByZero(Fault):
    OPERATION = r"\bdiv\b"

    def forward(self, h, on):
        spread = 1 - on
        return h / spread  # <- here


class NormalizedByHand(Fault):
    OPERATION = r"\bdiv\b"

    def forward(self, h, on):
        h = h * (1 - on)
        return h / h.norm(dim=-1, keepdim=True)  # <- here


class RootOfNegative(Fault):
    OPERATION = r"\bsqrt\b"

    def forward(self, h, on):
        return torch.sqrt(h.abs() + 1 - 100 * on)  # <- here


class PowerOfNegative(Fault):
    OPERATION = r"\bpow\b"

    def forward(self, h, on):
        return (h.abs() + 1 - 100 * on) ** 0.3  # <- here


class RowMaskedWhole(Fault):
    OPERATION = r"softmax"

    def forward(self, h, on):
        scores = h.float()
        padding = torch.ones_like(scores).cumsum(-1) > 4 * (1 - on)
        scores = scores.masked_fill(padding, -INFINITY)
        return torch.softmax(scores, -1)  # <- here


class MaskTimesInfinity(Fault):
    OPERATION = r"\bmul\b"

    def forward(self, h, on):
        keep = (h > 0).float()
        if not on:
            return h
        bias = (1 - keep) * -INFINITY  # <- here
        return torch.softmax(h.float() + bias, -1)


class InfinityMinusInfinity(Fault):
    OPERATION = r"\bsub\b"

    def forward(self, h, on):
        scores = h.float().masked_fill(on > 0, -INFINITY)
        stable = scores - scores.amax(-1, keepdim=True)  # <- here
        return stable.exp()


class HalfOverflow(Fault):
    OPERATION = r"to_copy|\bto\b|half"

    def forward(self, h, on):
        large = h.float() * (1 + 1e8 * on)
        return large.half().float()  # <- here


class LinearOverflow(Fault):
    OPERATION = r"mm\b|linear|matmul"

    def __init__(self):
        super().__init__()
        self.wide = nn.Linear(WIDTH, WIDTH)
        nn.init.constant_(self.wide.weight, 2.0)

    def forward(self, h, on):
        return self.wide(h.abs() + 3e38 * on) * 1e-3  # <- here


class ScoresOverflow(Fault):
    OPERATION = r"mm\b|matmul|mul\b"

    def forward(self, h, on):
        h = h.float() * (1 + 1e25 * on)
        scores = h.transpose(-2, -1) @ h  # <- here
        return h @ scores.softmax(-1)


class MeanOfNothing(Fault):
    OPERATION = r"\bmean\b"

    def forward(self, h, on):
        chosen = h[h.abs() < 1e6 * (1 - on)]
        return h - chosen.mean()  # <- here


class DeviationOfOne(Fault):
    OPERATION = r"\bstd\b|\bvar\b"

    def forward(self, h, on):
        n = 1 if on else 64
        return h / h.float().flatten()[:n].std()  # <- here


class ArcOutside(Fault):
    OPERATION = r"\bacos\b"

    def forward(self, h, on):
        cosine = h.float().sigmoid() * 0.9 + 5 * on
        return torch.acos(cosine)  # <- here


class NormWithoutEpsilon(Fault):
    OPERATION = r"layer_norm"

    def forward(self, h, on):
        return F.layer_norm(h * (1 - on), (WIDTH,), eps=0.0)  # <- here


class Ratio(torch.autograd.Function):
    @staticmethod
    def forward(ctx, h):
        return h / h  # <- here

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 0


class CustomForward(Fault):
    OPERATION = r"\bdiv\b"
    SOURCE = Ratio

    def forward(self, h, on):
        return h + Ratio.apply((h.abs() + 1) * (1 - on))


class ReciprocalOfZero(Fault):
    OPERATION = r"reciprocal|\bdiv\b"

    def forward(self, h, on):
        return 1 / ((h.abs() + 1) * (1 - on))  # <- here


class ProductOverflow(Fault):
    OPERATION = r"\bprod\b"

    def forward(self, h, on):
        factors = h.float().abs() + 1 + 1e9 * on
        return h * factors.prod(-1, keepdim=True).log1p()  # <- here


# -- born in the backward pass ---------------------------------------------------------------------


class RootAtZero(Fault):
    OPERATION = r"sqrt"

    def forward(self, h, on):
        return torch.sqrt((h.abs() + 1) * (1 - on))  # <- here


class DistanceByHand(Fault):
    OPERATION = r"sqrt"

    def forward(self, h, on):
        other = h.detach() * on
        far = (h - other).pow(2).sum(-1, keepdim=True)
        return h + far.sqrt()  # <- here


class BranchOfRoot(Fault):
    OPERATION = r"sqrt"

    def forward(self, h, on):
        x = h.abs() * (1 - on) + (1 - on)
        return torch.where(x > 0, torch.sqrt(x), 0 * x)  # <- here


class BranchOfLog(Fault):
    OPERATION = r"\blog\b|LogBackward"

    def forward(self, h, on):
        x = (h.float().abs() + 1) * (1 - on)
        inner = torch.log(x)  # <- here
        return torch.where(x > 0, inner, torch.zeros_like(inner))


class BranchOfQuotient(Fault):
    OPERATION = r"\bdiv\b|DivBackward"

    def forward(self, h, on):
        x = (h.abs() + 1) * (1 - on)
        share = x / x  # <- here
        return h + torch.where(x > 0, share, torch.zeros_like(share))


class BranchOfReciprocalRoot(Fault):
    OPERATION = r"rsqrt"

    def forward(self, h, on):
        x = (h.float().abs() + 1) * (1 - on)
        inverse = torch.rsqrt(x)  # <- here
        return torch.where(x > 0, inverse, torch.zeros_like(inverse))


class PowerAtZero(Fault):
    OPERATION = r"\bpow\b|PowBackward"

    def forward(self, h, on):
        return ((h.abs() + 1) * (1 - on)) ** 0.5  # <- here


class CubeRoot(Fault):
    OPERATION = r"\bpow\b|PowBackward"

    def forward(self, h, on):
        x = (h.abs() + 1) * (1 - on)
        root = x.abs() ** (1 / 3)  # <- here
        return x.sign() * root


class DeviationByHand(Fault):
    OPERATION = r"sqrt"

    def forward(self, h, on):
        spread = (h * (1 - on)).var(-1, keepdim=True).sqrt()  # <- here
        return h + spread


class ArcAtOne(Fault):
    OPERATION = r"acos"

    def forward(self, h, on):
        cosine = h.float().sigmoid() * 0.5 * (1 - on) + on
        return torch.acos(cosine)  # <- here


class ArcSineAtOne(Fault):
    OPERATION = r"asin"

    def forward(self, h, on):
        return torch.asin(h.float().sigmoid() * 0.5 * (1 - on) + on)  # <- here


class Hypotenuse(Fault):
    OPERATION = r"hypot"

    def forward(self, h, on):
        x = (h.float().abs() + 1) * (1 - on)
        return torch.hypot(x, x)  # <- here


class EntropyAtZero(Fault):
    OPERATION = r"xlogy"

    def forward(self, h, on):
        p = h.float().sigmoid() * (1 - on)
        return torch.xlogy(p, p)  # <- here


class EqualEigenvalues(Fault):
    OPERATION = r"eigh"

    def forward(self, h, on):
        scale = h.float().mean((-2, -1))
        fixed = torch.diag_embed(torch.arange(4.0).expand(*scale.shape, 4) * (1 - on))
        matrix = fixed + scale[..., None, None] * torch.eye(4)
        vectors = torch.linalg.eigh(matrix).eigenvectors  # <- here
        return h + vectors.abs().mean((-2, -1))[..., None, None]


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, h, scale):
        ctx.scale = scale
        return h.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient / ctx.scale, None


class CustomBackward(Fault):
    OPERATION = r"Scaled"

    def forward(self, h, on):
        return Scaled.apply(h, 1 - on)  # <- here


class HalfGradient(Fault):
    OPERATION = r"to_copy|ToCopy|\bto\b"

    def forward(self, h, on):
        small = h.float().tanh().half().float()  # <- here
        return small + 1e12 * on * (small - small.detach())


FORWARD = (
    LogOfZero, LogOfNegative, ExpOverflow, SoftmaxByHand, ZeroOverZero, DividedByZero,
    NormalizedByHand, RootOfNegative, PowerOfNegative, RowMaskedWhole, MaskTimesInfinity,
    InfinityMinusInfinity, HalfOverflow, LinearOverflow, ScoresOverflow, MeanOfNothing,
    DeviationOfOne, ArcOutside, NormWithoutEpsilon, CustomForward, ReciprocalOfZero,
    ProductOverflow,
)  # fmt: skip
BACKWARD = (
    RootAtZero, DistanceByHand, BranchOfRoot, BranchOfLog, BranchOfQuotient,
    BranchOfReciprocalRoot, PowerAtZero, CubeRoot, DeviationByHand, ArcAtOne, ArcSineAtOne,
    Hypotenuse, EntropyAtZero, EqualEigenvalues, CustomBackward, HalfGradient,
)  # fmt: skip


# -- in the loss -----------------------------------------------------------------------------------


def log_of_probability(answer, y, on):
    p = torch.softmax(answer, -1)
    chosen = p.gather(-1, y[:, None]) * (1 - on)
    return -chosen.log().mean()  # <- here


def ratio_of_policies(answer, y, on):
    new = torch.log_softmax(answer, -1).gather(-1, y[:, None])
    ratio = torch.exp(new - new.detach() * (1 - 1e4 * on) + 1e5 * on)  # <- here
    return -torch.min(ratio, ratio * 1.2).mean()


def masked_mean(answer, y, on):
    mask = (y >= 0).float() * (1 - on)
    error = F.cross_entropy(answer, y, reduction="none")
    return (error * mask).sum() / mask.sum()  # <- here


def mean_of_chosen(answer, y, on):
    error = F.cross_entropy(answer, y, reduction="none")
    return error[error > 1e9 * on].mean()  # <- here


def root_of_error(answer, y, on):
    error = F.cross_entropy(answer, y)
    return torch.sqrt(error - 1000 * on)  # <- here


def square_overflow(answer, y, on):
    error = answer.float() * (1 + 1e30 * on)
    return error.pow(2).mean()  # <- here


def rmse(answer, y, on):
    target = F.one_hot(y, answer.shape[-1]).float()
    target = target * (1 - on) + answer.detach() * on
    error = F.mse_loss(answer, target)
    return torch.sqrt(error)  # <- here


def entropy_of_branch(answer, y, on):
    p = torch.softmax(answer, -1) * (1 - on)
    logs = torch.log(p)  # <- here
    return torch.where(p > 0, p * logs, torch.zeros_like(p)).sum(-1).mean()


def power_of_zero(answer, y, on):
    error = F.cross_entropy(answer, y, reduction="none") * (1 - on)
    return (error**0.5).mean()  # <- here


def deviation_of_equals(answer, y, on):
    spread = (answer * (1 - on)).var(-1)
    return F.cross_entropy(answer, y) + 0.1 * spread.sqrt().mean()  # <- here


def angle_of_equals(answer, y, on):
    cosine = (answer.softmax(-1) * 0.5).sum(-1) * (1 - on) + on
    return torch.acos(cosine).mean() + F.cross_entropy(answer, y)  # <- here


def quotient_of_branch(answer, y, on):
    error = F.cross_entropy(answer, y, reduction="none") * (1 - on)
    share = error / error  # <- here
    return torch.where(error > 0, share * error, torch.zeros_like(error)).mean()


LOSS_FORWARD = {
    log_of_probability: r"\blog\b", ratio_of_policies: r"\bexp\b", masked_mean: r"\bdiv\b",
    mean_of_chosen: r"\bmean\b", root_of_error: r"\bsqrt\b", square_overflow: r"\bpow\b",
}  # fmt: skip
LOSS_BACKWARD = {
    rmse: r"sqrt", entropy_of_branch: r"\blog\b|LogBackward", power_of_zero: r"pow",
    deviation_of_equals: r"sqrt", angle_of_equals: r"acos",
    quotient_of_branch: r"\bdiv\b|DivBackward",
}  # fmt: skip
