"""Every operation of a forward pass is looked at: who made which number that is not finite.

What is not finite is followed from one operation to the next, so that the infinities of a mask,
which softmax swallows, are not taken for the origin of a NaN that arises elsewhere. An infinity is
deliberate where a number that somebody wrote down is one (`masked_fill(mask, float("-inf"))`), or
where a mask is made: the logarithm of a tensor of 0 and 1, the lowest number of a format twice.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from gradlab.adapters.torch.modules import class_name, clean
from gradlab.adapters.torch.observe.module_state import Refused
from gradlab.adapters.torch.origin import places, reasons, seen
from gradlab.adapters.torch.origin.answer import INPUT, Origin
from gradlab.adapters.torch.origin.places import Frame, Place
from gradlab.adapters.torch.origin.seen import Seen

# Messages between processes compute nothing, and the room that is made for them holds anything.
_MESSAGES = ("c10d", "_c10d_functional", "fsdp")
_SHAPES = {
    "view", "_unsafe_view", "expand", "t", "transpose", "permute", "reshape", "slice", "select",
    "unsqueeze", "squeeze", "detach", "alias", "clone", "split", "unbind", "as_strided", "cat",
    "_to_copy", "contiguous", "chunk", "index", "gather",
}  # fmt: skip


@dataclass(eq=False)
class Done:
    """One operation as it was seen: without its tensors."""

    operation: str
    module: str
    after: str
    frames: tuple[Frame, ...]
    given: list[Seen] = field(default_factory=list)
    birth: Birth | None = None  # of something not finite that it was given
    of: str = ""  # what it made, in words, where it only gave it another shape

    def __str__(self) -> str:
        where = f" in module {self.module}" if self.module else ""
        line = places.place(self.frames)
        return f"{self.operation}{where}" + (f", {line.short}" if line is not None else "")


@dataclass(eq=False)
class Birth:
    """The operation that made something not finite, or the tensor that brought it."""

    number: int
    done: Done | None
    made: Seen
    deliberate: bool = False
    masked: bool = False
    index: tuple[int, ...] = ()
    rows: tuple[int, ...] = ()
    kind: str = ""  # "parameter", "buffer", "input" or "constant", where no operation made it
    name: str = ""


@dataclass(eq=False)
class Mark:
    """What is known of memory that holds something not finite; the tensor keeps it from reuse."""

    tensor: Tensor
    nan: Birth | None
    infinity: Birth | None


class Modules:
    """The modules that are running, innermost last, and the last one with weights that began."""

    def __init__(self) -> None:
        self.stack: list[str] = []
        self.last = ""

    @property
    def innermost(self) -> str:
        """The innermost module that is running; "" outside of all."""
        return self.stack[-1] if self.stack else ""

    @contextlib.contextmanager
    def follow(self, model: nn.Module) -> Iterator[None]:
        """Follow which modules are running."""
        handles = []
        for name, module in model.named_modules():
            label = clean(name) or class_name(module)
            weighs = any(parameter.ndim > 1 for parameter in module.parameters(recurse=False))
            before, after = _Begins(self, label, weighs), _Ends(self)
            handles.append(module.register_forward_pre_hook(before))
            handles.append(module.register_forward_hook(after, always_call=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


@dataclass(eq=False)
class _Begins:
    modules: Modules
    label: str
    weighs: bool

    def __call__(self, *_: Any) -> None:
        self.modules.stack.append(self.label)
        if self.weighs:
            self.modules.last = self.label


@dataclass(eq=False)
class _Ends:
    modules: Modules

    def __call__(self, *_: Any) -> None:
        if self.modules.stack:
            self.modules.stack.pop()


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
        if "empty" not in str(func):
            self._look(func, args, kwargs, given, before, result)
        return result

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
        meant = any(_infinite(each) for each in _flat((args, kwargs)))
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
            infinity.deliberate = meant or _is_mask(func, given, done.given, made)
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
            deliberate=kind in ("constant", "buffer") or (kind == "input" and _additive(made)),
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
                known = self._known.get(_memory(each), ("", None))[0]
                if known.startswith(("parameter", "input")):
                    raise Refused(f"{func} writes into {known}")


def origin_of(birth: Birth, phase: str = "forward") -> Origin:
    """Return what a birth tells, for the record."""
    if birth.done is None:
        return _brought(birth, phase)
    done = birth.done
    reason = reasons.of_result(done.operation, done.given, birth.made, masked=birth.masked)
    extreme = extreme_of(done.given)
    parameter = extreme.of.removeprefix("parameter ") if extreme is not None else ""
    is_parameter = extreme is not None and extreme.of.startswith("parameter ")
    bare = is_parameter and reason.key in ("log", "root", "power", "quotient")
    place = places.place(done.frames)
    return Origin(
        operation=done.operation,
        module=done.module,
        phase=phase,
        inputs=" and ".join(str(each) for each in done.given[:3]) or "nothing",
        after=done.after,
        place=place,
        caller=places.caller(done.frames),
        index=birth.index,
        why=reason.words,
        key=reason.key,
        source=source_of(extreme, place),
        parameter=parameter if bare else "",
        rows=birth.rows,
    )


def source_of(extreme: Seen | None, place: Place | None) -> str:
    """Say who made what an operation was given; not the line, where it is the operation's own."""
    if extreme is None or not extreme.of:
        return ""
    here = "" if place is None else f", {place.short}"
    return f"what it was given comes from {extreme.of.removesuffix(here)}"


def extreme_of(given: list[Seen]) -> Seen | None:
    """Return what an operation was given that reaches farthest, or holds a 0 as a divisor."""
    if len(given) > 1 and given[1].zeros:
        return given[1]
    return max(given, key=lambda each: each.most, default=None)


def _brought(birth: Birth, phase: str) -> Origin:
    """Return the origin of what no operation made: an argument, a parameter, a buffer."""
    number = f"{birth.made}"
    if birth.kind == "input":
        return Origin(
            INPUT, "", phase, f"{birth.name} holds {number}",
            index=birth.index, rows=birth.rows, argument=birth.name, key="input",
            why=f"argument {birth.name} of the model is not finite at {list(birth.index)}",
        )  # fmt: skip
    return Origin(
        birth.kind, "", phase, number, index=birth.index, key=birth.kind,
        parameter=birth.name if birth.kind == "parameter" else "",
        why=f"{birth.kind} {birth.name} is not finite at {list(birth.index)}",
    )  # fmt: skip


def known_tensors(
    model: nn.Module, arguments: tuple[Any, ...], keywords: Mapping[str, Any], names: list[str]
) -> dict[str, Tensor]:
    """Return the tensors that a forward pass reads, by what they are."""
    known: dict[str, Tensor] = {}
    for name, buffer in model.named_buffers():
        known[f"buffer {clean(name)}"] = buffer
    for name, parameter in model.named_parameters():
        known[f"parameter {clean(name)}"] = parameter
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


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, (tuple, list)):
        for each in value:
            yield from _flat(each)
    elif isinstance(value, dict):
        yield from _flat(tuple(value.values()))
    else:
        yield value


def _infinite(value: Any) -> bool:
    return isinstance(value, float) and math.isinf(value)


def _is_mask(func: Any, given: list[Tensor], known: list[Seen], made: Seen) -> bool:
    """Whether an operation makes the -inf of a mask out of finite numbers."""
    name = reasons.short(str(func))
    if made.nan or not known:
        return False
    if name in ("log", "log2", "log10"):
        zeros, ones = given[0] == 0, given[0] == 1
        return bool((zeros | ones).all() and ones.any())
    lowest = min(each.low for each in known if each.count) if any(k.count for k in known) else 0.0
    largest = max((torch.finfo(each.dtype).max for each in known), default=math.inf)
    if name in ("add", "sub"):
        return lowest <= -0.9 * largest and not bool(_positive(made))
    return name == "to_copy" and lowest <= -0.9 * largest


def _positive(made: Seen) -> bool:
    return made.high > 0.9 * torch.finfo(made.dtype).max if made.dtype.is_floating_point else False


def _additive(made: Seen) -> bool:
    """Whether an argument looks like a mask that is added: no NaN, at most 0, -inf in places."""
    return not made.nan and (math.isnan(made.high) or made.high <= 0)
