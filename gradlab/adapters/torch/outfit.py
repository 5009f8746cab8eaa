"""What a watch is made of: the instruments that measure a training, and the record they feed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from gradlab.adapters.torch.distributed import Ranks
from gradlab.adapters.torch.gradients import Gradients
from gradlab.adapters.torch.ledger import Ledger
from gradlab.adapters.torch.measure.parameters import Parameters
from gradlab.adapters.torch.modules import unwrapped
from gradlab.adapters.torch.numbers import OF_HISTOGRAMS, OF_MODULES, OF_NET, OF_PARAMETERS
from gradlab.adapters.torch.observe.eager import Eager
from gradlab.adapters.torch.observe.hooks import Guard
from gradlab.adapters.torch.observe.loss_observer import LossObserver
from gradlab.adapters.torch.observe.loss_side import LossSide
from gradlab.adapters.torch.observe.recurrence import Recurrences
from gradlab.adapters.torch.observe.signals import Signals
from gradlab.adapters.torch.observe.stream import Stream
from gradlab.adapters.torch.observe.uses import Uses
from gradlab.adapters.torch.observe.wiring import Wiring
from gradlab.adapters.torch.options import WatchOptions
from gradlab.adapters.torch.origin.lookout import Lookout
from gradlab.adapters.torch.record import Record
from gradlab.adapters.torch.rows import find_rows, sites
from gradlab.adapters.torch.steps import Instruments
from gradlab.adapters.torch.structure import Structure


def outfit(
    outer: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    options: WatchOptions,
    guard: Guard,
) -> tuple[Instruments, Record]:
    """Return the instruments for a training, and its record.

    Raises
    ------
    ArgumentError
        The model has no parameters, or lazy ones that no batch has given a shape yet; or only some
        of several processes watch.
    """
    model, ledger = unwrapped(outer), Ledger()
    rows = find_rows(model)
    parameters = Parameters(rows, model, optimizers, ledger, updates=options.updates)
    ranks = Ranks(outer, parameters.trained, together=options.distributed)
    seen = sites(rows)
    structure = Structure(model, options.patterns)
    wiring = Wiring(seen)
    _lay_out(ledger, len(parameters.all), len(seen), options)
    on_cpu = any(parameter.device.type == "cpu" for parameter in parameters.all)
    stream = Stream(structure.blocks, ledger, ranks, guard)
    loss = LossObserver(LossSide(model), ledger)
    uses = Uses(rows, guard)
    lookout = Lookout(model, ranks, options.on_nonfinite, on_cpu, guard, options.keep_batch)
    observers = (
        uses,
        lookout.frames,
        Signals(wiring, ledger, guard),
        stream,
        Recurrences(wiring, ledger, guard),
        loss,
    )
    instruments = Instruments(
        parameters=parameters,
        gradients=Gradients(parameters, ledger),
        observers=observers,
        lookout=lookout,
        eager=Eager(outer),
        ledger=ledger,
    )
    of_model = rows, structure, parameters, wiring, uses, stream
    record = Record(model, optimizers, *of_model, observers, loss, ledger, ranks, options)
    return instruments, record


def _lay_out(ledger: Ledger, parameters: int, modules: int, options: WatchOptions) -> None:
    """Make the tables of the ledger: by parameter, by module, and of the net as a whole."""
    ledger.table("parameters", OF_PARAMETERS, parameters)
    ledger.table("modules", OF_MODULES, modules)
    ledger.table("net", OF_NET, 1)
    if options.histograms:
        ledger.table("histograms", OF_HISTOGRAMS, parameters)
