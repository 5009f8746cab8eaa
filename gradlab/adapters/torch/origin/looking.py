"""Every operation of a forward pass is looked at: who made which number that is not finite.

What is not finite is followed from one operation to the next, so that the infinities of a mask,
which softmax swallows, are not taken for the origin of a NaN that arises elsewhere. An infinity is
deliberate where a number that somebody wrote down is one (`masked_fill(mask, float("-inf"))`), or
where a mask is made: the logarithm of a tensor of 0 and 1, the lowest number of a format twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from gradlab.adapters.torch.modules import clean
from gradlab.adapters.torch.observe.module_state import Refused
from gradlab.adapters.torch.origin import masks, places, seen
from gradlab.adapters.torch.origin.births import Birth, Done, Mark
from gradlab.adapters.torch.origin.running import Modules
from gradlab.adapters.torch.origin.seen import Seen

# Messages between processes compute nothing, and the room that is made for them holds anything.
_MESSAGES = ("c10d", "_c10d_functional", "fsdp")
_MAKES_NOTHING = ("empty", "lift_fresh")  # room for anything, and a number that somebody wrote
_SHAPES = {
    "view", "_unsafe_view", "expand", "t", "transpose", "permute", "reshape", "slice", "select",
    "unsqueeze", "squeeze", "detach", "alias", "clone", "split", "unbind", "as_strided", "cat",
    "_to_copy", "contiguous", "chunk", "index", "gather",
}  # fmt: skip


class Looking(TorchDispatchMode):
    """Looks at what every operation is given and makes.

    Parameters
    ----------
    modules : Modules
    known : mapping of str to Tensor
        Tensors by what they are, "parameter head.weight", "input x", "buffer mask".
    protected : bool
        Whether writing into parameters and inputs is refused.
    until : code, optional
        Of the outermost frame that lines are looked for in.

    Attributes
    ----------
    by_node : dict of int to Done
        The operation of each node of the graph, by its sequence number.
    """

    def __init__(
        self,
        modules: Modules,
        known: Mapping[str, Tensor],
        *,
        protected: bool = True,
        until: Any = None,
    ):
        super().__init__()
        self.by_node: dict[int, Done] = {}
        self._modules, self._until, self._protected = modules, until, protected
        self._known = {_memory(tensor): (name, tensor) for name, tensor in known.items()}
        self._of_known: dict[int, Seen] = {}
        self._writable: set[int] = set()
        self._marks: dict[int, Mark] = {}
        self._makers: dict[int, tuple[Done, Seen]] = {}
        self._writes: dict[Any, list[tuple[int, str]]] = {}
        self._count = 0
        self._newest = torch.autograd._get_sequence_nr()  # pyright: ignore

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.namespace in _MESSAGES:
            return func(*args, **kwargs)
        if self._protected:
            self._refuse_writes(func, args, kwargs)
        given = list(seen.floating((args, kwargs)))
        before = [self._before(each) for each in given]
        result = func(*args, **kwargs)
        if not any(part in str(func) for part in _MAKES_NOTHING):
            self._look(func, args, kwargs, given, before, result)
        return result

    def know(self, name: str, module: nn.Module) -> None:
        """Know the parameters of a module that begins: in shards, they are gathered only now."""
        for own, parameter in module.named_parameters(name, recurse=False):
            memory = _memory(parameter)
            self._known[memory] = f"parameter {own}", parameter
            self._makers.pop(memory, None)  # what gathers it has not made it
            self._marks.pop(memory, None)

    def know_given(self, given: Mapping[str, Tensor]) -> None:
        """Know what a model is given, by what it is; who made it is known already, if anybody."""
        for name, tensor in given.items():
            self._known.setdefault(_memory(tensor), (name, tensor))
            self._writable.add(_memory(tensor))

    def birth_of(self, value: Any) -> Birth | None:
        """Return who made the NaN in a result, else the infinity that was not meant; else None."""
        nans: list[Birth] = []
        infinities: list[Birth] = []
        for tensor in seen.floating(value):
            if seen.is_finite(tensor):
                continue
            now = self._sources(tensor)
            if now.nan is not None and bool(tensor.isnan().any()):
                nans.append(now.nan)
            elif now.infinity is not None and not now.infinity.deliberate:
                infinities.append(now.infinity)
        return min(nans or infinities, key=lambda birth: birth.number, default=None)

    # -- one operation

    def _before(self, tensor: Tensor) -> Mark | None:
        """Return what is not finite in a tensor before an operation may write into it."""
        memory = _memory(tensor)
        if memory in self._marks:
            return None if seen.is_finite(tensor) else self._marks[memory]
        if memory in self._makers or memory not in self._known:
            return None
        return None if self._describe(tensor).finite else self._sources(tensor)

    def _look(
        self, func: Any, args: Any, kwargs: Any, given: list[Tensor], before: list[Any], result: Any
    ) -> None:
        frames = places.frames_above(None, self._until)
        done = Done(_name(func), self._modules.innermost, self._modules.last, frames)
        written = [each for each in seen.floating(result)]
        done.given = [self._describe(each) for each in given]
        if len(done.given) == 1 and done.operation.split(".")[1] in _SHAPES:
            done.of = done.given[0].of
        done.birth = next((_birth(mark) for mark in before if mark is not None), None)
        newest = torch.autograd._get_sequence_nr()  # pyright: ignore
        if newest != self._newest:
            self.by_node[newest - 1] = done
            self._newest = newest
        for tensor in written:
            made = seen.look(tensor)
            memory = _memory(tensor)
            self._makers[memory] = done, made
            if made.finite:
                if memory in self._marks and tensor.numel() * tensor.element_size() >= _size(
                    tensor
                ):
                    del self._marks[memory]
                continue
            self._mark(func, args, kwargs, given, before, tensor, made, done)

    def _mark(
        self,
        func: Any,
        args: Any,
        kwargs: Any,
        given: list[Tensor],
        before: list[Mark | None],
        tensor: Tensor,
        made: Seen,
        done: Done,
    ) -> None:
        marks = [each for each in before if each is not None]
        marks += [
            self._sources(each)
            for each, mark in zip(given, before, strict=True)
            if mark is None and each is not tensor and not seen.is_finite(each)
        ]
        nans = [mark.nan for mark in marks if mark.nan is not None]
        infinities = [mark.infinity for mark in marks if mark.infinity is not None]
        meant = masks.is_written((args, kwargs))
        infinity = next((each for each in infinities if not each.deliberate), None)
        infinity = infinity or next(iter(infinities), None)
        nan = nans[0] if nans else None
        if made.nan and nan is None:
            if infinity is not None and not infinity.deliberate:
                nan = infinity
            else:
                nan = self._birth(done, tensor, made, masked=infinity is not None or meant)
        if made.infinite and infinity is None:
            infinity = self._birth(done, tensor, made)
            infinity.deliberate = meant or masks.makes_mask(func, given, done.given, made)
        self._marks[_memory(tensor)] = Mark(tensor, nan, infinity if made.infinite else None)

    def _birth(self, done: Done, tensor: Tensor, made: Seen, *, masked: bool = False) -> Birth:
        self._count += 1
        index = seen.first_bad(tensor) or ()
        return Birth(
            self._count,
            done,
            made,
            masked=masked,
            index=index,
            rows=tuple(seen.bad_rows(tensor)[:64]),
        )

    # -- where numbers come from

    def _describe(self, tensor: Tensor) -> Seen:
        """Return range and maker of what an operation is given."""
        memory = _memory(tensor)
        maker = self._makers.get(memory)
        if maker is not None:
            done, made = maker
            found = made if made.shape == tuple(tensor.shape) else seen.look(tensor)
            return _named(found, done.of or str(done))
        if memory in self._of_known:
            return self._of_known[memory]
        name, _ = self._known.get(memory, ("", None))
        found = seen.look(tensor, name)
        if name:
            self._of_known[memory] = found
        return found

    def _sources(self, tensor: Tensor) -> Mark:
        """Return who brought what is not finite into a tensor."""
        memory = _memory(tensor)
        if memory in self._marks:
            return self._marks[memory]
        name, whole = self._known.get(memory, ("constant ", tensor))
        kind, _, rest = name.partition(" ")
        self._count += 1
        made = seen.look(tensor)
        birth = Birth(
            self._count,
            None,
            made,
            deliberate=kind in ("constant", "buffer")
            or (kind == "input" and masks.is_additive(made)),
            index=seen.first_bad(whole) or (),
            rows=tuple(seen.bad_rows(whole)[:64]),
            kind=kind,
            name=rest,
        )
        mark = Mark(tensor, birth if made.nan else None, birth if made.infinite else None)
        self._marks[memory] = mark
        return mark

    def _refuse_writes(self, func: Any, args: Any, kwargs: Any) -> None:
        if func not in self._writes:
            self._writes[func] = [
                (index, argument.name)
                for index, argument in enumerate(func._schema.arguments)
                if argument.alias_info is not None and argument.alias_info.is_write
            ]
        for index, name in self._writes[func]:
            written = args[index] if index < len(args) else kwargs.get(name)
            for each in seen.floating(written):
                memory = _memory(each)
                known = self._known.get(memory, ("", None))[0]
                if known.startswith(("parameter", "input")) and memory not in self._writable:
                    raise Refused(f"{func} writes into {known}")


def known_tensors(
    model: nn.Module, arguments: tuple[Any, ...], keywords: Mapping[str, Any], names: list[str]
) -> dict[str, Tensor]:
    """Return the tensors that a forward pass reads, by what they are."""
    known: dict[str, Tensor] = {}
    for name, buffer in model.named_buffers():
        known[f"buffer {clean(name)}"] = buffer
    for name, parameter in model.named_parameters():
        known[f"parameter {clean(name)}"] = parameter
    return known | given_tensors(arguments, keywords, names)


def given_tensors(
    arguments: tuple[Any, ...], keywords: Mapping[str, Any], names: list[str]
) -> dict[str, Tensor]:
    """Return the tensors that a model is given, by what they are."""
    known: dict[str, Tensor] = {}
    named = [(names[n] if n < len(names) else str(n), each) for n, each in enumerate(arguments)]
    for name, value in [*named, *keywords.items()]:
        for number, tensor in enumerate(seen.floating(value)):
            known[f"input {name}" + (f"[{number}]" if number else "")] = tensor
    return known


def _birth(mark: Mark) -> Birth | None:
    found = mark.nan or mark.infinity
    return None if found is None or found.deliberate else found


def _named(known: Seen, of: str) -> Seen:
    return Seen(
        known.low, known.high, known.zeros, known.nan, known.infinite, known.count, known.dtype,
        known.shape, of,
    )  # fmt: skip


def _name(func: Any) -> str:
    return str(func).removesuffix(".default")


def _memory(tensor: Tensor) -> int:
    """Return what tensors share that lie in the same memory."""
    try:
        return tensor.untyped_storage()._cdata
    except (RuntimeError, NotImplementedError):  # sparse, or another framework's: it has none
        return id(tensor)


def _size(tensor: Tensor) -> int:
    try:
        return tensor.untyped_storage().nbytes()
    except (RuntimeError, NotImplementedError):
        return 0
