"""`audit(model, data)`: a model judged by one forward and backward pass, before training."""

from __future__ import annotations

import copy

from gradlab.datasets import Data
from gradlab.diagnosis import Diagnosis, diagnose
from gradlab.kinds import instance, of_kinds
from gradlab.nn.mlp import MLP
from gradlab.training import train

AT_INIT = (
    "GL001",
    "GL101",
    "GL102",
    "GL201",
    "GL202",
    "GL203",
)  # rules that can judge a single pass
BATCH = 256  # examples


@of_kinds(model=instance(MLP, "an MLP"), data=instance(Data, "a Data"))
def audit(
    model: MLP, data: Data, *, loss: str | None = None, batch_size: int | None = None
) -> Diagnosis:
    """Judge a model before anyone trains it: one forward and one backward pass on one batch.

    The model stays as it is. Where its weights or its gradient part from what theory expects of its
    initialization, the diagnosis says so in `remarks`: a bug there is the usual cause.

    Parameters
    ----------
    model : MLP
    data : Data
    loss : str, optional
        As for `gradlab.train`; by default "cross_entropy" for classes and "squared_error" for real
        targets.
    batch_size : int, optional
        Examples of the batch; by default 256, or all where there are fewer.

    Returns
    -------
    Diagnosis
        Of the rules that can judge a single pass: GL001, GL101, GL102, GL201, GL202, GL203.

    Raises
    ------
    ArgumentError, DataError
        As `gradlab.train` does for a model, data or loss that do not fit.
    """
    run = train(
        copy.deepcopy(model),
        data,
        loss=loss,
        iterations=1,
        name="audit",
        batch_size=min(BATCH, len(data.x_train)) if batch_size is None else batch_size,
    )
    return diagnose(run, select=AT_INIT)
