"""The loss of the best constant predictor, from the targets seen so far.

Each class keeps sums whose size does not grow with the number of targets, can be joined with
another of its kind, and knows the smallest mean loss that one answer, the same for every example,
could have reached on all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

# Outputs of an example that have a constant of their own; of more, all share one.
OUTPUTS_KEPT = 1 << 16
ENTRIES_KEPT = 1 << 14  # of targets that are kept one by one, for medians
ROWS_KEPT = 1 << 12
BISECTIONS = 40  # to 1e-12 of the range of the targets


class Pool(Protocol):
    """What is kept of targets."""

    def join(self, other: Pool) -> Pool | None:
        """Return what is kept of both; None where no one constant answers both."""
        ...

    def loss(self) -> Tensor | float:
        """Return the smallest mean loss of a constant answer."""
        ...


class Frequencies:
    """Targets that are distributions over K outcomes, of D outputs.

    Attributes
    ----------
    sums : Tensor (K, D)
        Weights of the outcomes, added up over the examples: the loss is -sum_kd sums[k, d] ln p[k,
        d] / count.
    count : Tensor or float
        What the criterion's mean divides by.
    offset : Tensor or float
        The part of the summed loss that no answer changes.
    as_shares : Tensor, bool or None
        Whether the answers were p itself, and not its logarithm: the loss is then -sum_kd sums[k,
        d] p[k, d] / count.
    """

    def __init__(
        self,
        sums: Tensor,
        count: Tensor | float,
        offset: Tensor | float = 0.0,
        as_shares: Tensor | bool | None = None,
    ):
        self.sums, self.count, self.offset, self.as_shares = sums, count, offset, as_shares

    def join(self, other: Pool) -> Frequencies | None:
        """Add the sums."""
        assert isinstance(other, Frequencies)
        mine, theirs = self.sums, other.sums
        if len(mine) != len(theirs):
            return None
        if mine.shape != theirs.shape:  # another number of outputs: all share one constant
            mine, theirs = mine.sum(dim=1, keepdim=True), theirs.sum(dim=1, keepdim=True)
        device = mine.device
        return Frequencies(
            mine + theirs.to(device),
            _on(self.count, device) + _on(other.count, device),
            _on(self.offset, device) + _on(other.offset, device),
            other.as_shares,
        )

    def loss(self) -> Tensor | float:
        """Return the entropy: the best p is sums / sum_k sums (Gibbs' inequality).

        Of answers that are p itself, the best is 1 for the most frequent outcome.
        """
        if self.sums.device.type == "cpu" and not isinstance(self.as_shares, Tensor):
            return self._loss_on_host()
        share = self.sums / self.sums.sum(dim=0)
        gained = torch.xlogy(self.sums, share).nansum()
        if self.as_shares is not None:
            as_shares = torch.as_tensor(self.as_shares, device=self.sums.device)
            gained = torch.where(as_shares, self.sums.amax(dim=0).sum(), gained)
        cost = (self.offset - gained) / self.count
        return cost.where(
            (self.sums >= 0).all(), torch.nan
        )  # targets outside of [0, 1]: no distributions

    def _loss_on_host(self) -> float:
        """Return the same by NumPy: of few numbers, in a fraction of the time."""
        sums = self.sums.numpy()
        if not (sums >= 0).all():
            return math.nan
        if self.as_shares:
            gained = sums.max(axis=0).sum()
        else:
            with np.errstate(all="ignore"):
                terms = sums * np.log(sums / sums.sum(axis=0))
            gained = np.nansum(terms)  # 0 ln 0 = 0
        with np.errstate(all="ignore"):
            return float(np.divide(float(self.offset) - float(gained), float(self.count)))


class Moments:
    """Mean and squared deviation of D outputs over n examples.

    Joined as in Chan, Golub, LeVeque, "Algorithms for computing the sample variance" (1983): prices
    near 350,000 lose no digits.

    Parameters
    ----------
    of_moments : callable
        From mean (D,) and variance (D,) to the losses (D,).
    """

    def __init__(
        self, n: int, mean: Tensor, squares: Tensor, of_moments: Callable[[Tensor, Tensor], Tensor]
    ):
        self.n, self.mean, self.squares, self._of_moments = n, mean, squares, of_moments

    @classmethod
    def of(cls, rows: Tensor, of_moments: Callable[[Tensor, Tensor], Tensor]) -> Moments:
        """Begin with targets (n, D)."""
        mean = rows.mean(dim=0)
        return cls(len(rows), mean, (rows - mean).square().sum(dim=0), of_moments)

    def join(self, other: Pool) -> Moments:
        """Move both to their common mean."""
        assert isinstance(other, Moments)
        a, b = self, other
        if a.mean.shape != b.mean.shape:
            a, b = a._shared(), b._shared()
        mean, squares = b.mean.to(a.mean.device), b.squares.to(a.mean.device)
        n, apart = a.n + b.n, mean - a.mean
        # M = M_a + M_b + (mean_b - mean_a)^2 n_a n_b / n
        squares = a.squares + squares + apart.square() * (a.n * b.n / n)
        return Moments(n, a.mean + apart * (b.n / n), squares, self._of_moments)

    def _shared(self) -> Moments:
        """Let all outputs share one constant."""
        mean = self.mean.mean()
        squares = self.squares.sum() + self.n * (self.mean - mean).square().sum()
        n = self.n * self.mean.numel()
        return Moments(n, mean.reshape(1), squares.reshape(1), self._of_moments)

    def loss(self) -> Tensor:
        """Return the mean over the outputs."""
        return self._of_moments(self.mean, self.squares / self.n).mean()


class Sample:
    """A sample of the targets of D outputs, each example as likely in it as any other.

    Parameters
    ----------
    rows : Tensor (n, D)
    seen : int
        Examples of which they are a sample.
    error : callable
        The criterion without its mean, from answers and targets (n, D).
    best : callable
        The answers (D,) whose mean error is smallest, from targets (n, D).
    """

    def __init__(
        self,
        rows: Tensor,
        seen: int,
        error: Callable[[Tensor, Tensor], Tensor],
        best: Callable[[Tensor], Tensor],
    ):
        self.rows, self.seen = rows, seen
        self._error, self._best = error, best

    def join(self, other: Pool) -> Sample:
        """Keep of each part as many as its share of all examples."""
        assert isinstance(other, Sample)
        mine, theirs = self.rows, other.rows.to(self.rows.device)
        seen = [self.seen, other.seen]
        if mine.shape[1] != theirs.shape[1]:  # all outputs share one constant
            seen = [self.seen * mine.shape[1], other.seen * theirs.shape[1]]
            mine, theirs = mine.reshape(-1, 1), theirs.reshape(-1, 1)
        room = rows_kept(mine.shape[1])
        share = round(room * seen[0] / sum(seen))
        share = min(max(share, room - len(theirs)), len(mine))
        rows = torch.cat([picked(mine, share, sum(seen)), picked(theirs, room - share, sum(seen))])
        return Sample(rows, sum(seen), self._error, self._best)

    def loss(self) -> Tensor:
        """Return the mean error of the best constant."""
        return self._error(self._best(self.rows).expand_as(self.rows), self.rows).mean()


def middle(rows: Tensor) -> Tensor:
    """Return the median of each output, which has the smallest absolute error."""
    return rows.median(dim=0).values


def where_balanced(bend: float) -> Callable[[Tensor], Tensor]:
    """Return a function that finds where slopes that are clipped at `bend` add up to 0."""

    def best(rows: Tensor) -> Tensor:
        low, high = rows.amin(dim=0), rows.amax(dim=0)
        for _ in range(BISECTIONS):
            center = (low + high) / 2
            above = (center - rows).clamp(-bend, bend).sum(dim=0) > 0
            low, high = torch.where(above, low, center), torch.where(above, center, high)
        return (low + high) / 2

    return best


def rows_of(target: Tensor) -> Tensor:
    """Return targets as (examples, outputs) in float64; of too many outputs, as entries (n, 1)."""
    rows = target.detach().double()
    rows = rows.reshape(len(rows), -1) if rows.ndim > 1 else rows.reshape(-1, 1)
    return rows if rows.shape[1] <= OUTPUTS_KEPT else rows.reshape(-1, 1)


def rows_kept(outputs: int) -> int:
    """Return how many examples are kept one by one."""
    return max(1, min(ROWS_KEPT, ENTRIES_KEPT // outputs))


def picked(rows: Tensor, count: int, seed: int) -> Tensor:
    """Return so many rows, drawn without the generators that a training uses."""
    if count >= len(rows):
        return rows
    chosen = np.random.default_rng(seed).choice(len(rows), max(count, 0), replace=False)
    return rows[torch.as_tensor(np.sort(chosen), device=rows.device)]


def squared(mean: Tensor, variance: Tensor) -> Tensor:
    """Return the mean squared error of the mean."""
    return variance


def gaussian(full: bool, eps: float) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the loss of the best normal distribution: (ln variance + 1) / 2."""
    constant = math.log(2 * math.pi) / 2 if full else 0.0

    def loss(mean: Tensor, variance: Tensor) -> Tensor:
        kept = variance.clamp(min=eps)
        return (kept.log() + variance / kept) / 2 + constant

    return loss


def poisson(mean: Tensor, variance: Tensor) -> Tensor:
    """Return the loss of the best rate, which is the mean: rate - mean ln rate."""
    return mean - torch.xlogy(mean, mean)


def _on(value: Tensor | float, device: torch.device) -> Tensor | float:
    return value.to(device) if isinstance(value, Tensor) else value
