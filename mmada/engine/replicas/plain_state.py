"""What a training changes besides parameters and buffers.

A detector may keep thresholds, counters, queues or generators in plain
attributes of its modules, or of objects that these hold. A baseline is taken
of all of them once; a snapshot has what differs from it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import pickle
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.models.losses.eqlv2_loss import EQLV2Loss
from mmengine.runner import BaseLoop, Runner
from mmengine.utils import ManagerMixin
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from mmada.engine.replicas.plain_data import (
    SCALARS,
    NotPlainError,
    clone_nested,
    decode,
    encode,
    put_into,
    same,
    tensors_of,
)

Difference = dict[str, Any]
"""By path of an object: pairs of an attribute and its encoded value."""

# Of classes that cannot say so: each iteration sets these anew.
_TRANSIENT: dict[type, tuple[str, ...]] = {
    BaseDenseHead: ('_raw_positive_infos',),
    EQLV2Loss: ('gt_classes', 'pred_class_logits'),
}
_ABSENT = ('absent',)
_NOT_PLAIN = ('not plain',)
_REGISTERED = frozenset({'_parameters', '_buffers', '_modules'})
_INTERNAL = frozenset(vars(nn.Module())) - _REGISTERED
# An action sets the weights, all else is captured apart.
_NOT_OF_MODEL = _INTERNAL | {'_parameters', '_buffers', 'objective_weights'}
# Neither captured nor looked into: code, and what is not the model's own.
_FOREIGN = (
    type,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.ModuleType,
    functools.partial,
    logging.Logger,
    ManagerMixin,  # loggers, message hubs and visualizers
    Runner,
    BaseLoop,
    Dataset,
    DataLoader,
)


class PlainState:
    """Plain attributes of a model, of hooks and of the objects they hold.

    A class says in `transient_attributes` which of its attributes are left
    alone: each iteration sets them anew, or something else does.

    Args:
        model: Its parameters and buffers are captured apart.
        others: Further objects or dicts by name, such as hooks.
        reset: Objects by name that are put back as at the start, whatever
            the difference.
    """

    def __init__(
        self,
        model: nn.Module,
        others: Mapping[str, Any] | None = None,
        reset: Mapping[str, Any] | None = None,
    ) -> None:
        roots = {**(others or {}), **(reset or {})}
        captured = (*model.parameters(), *model.buffers())
        self._storages = {_storage(tensor) for tensor in captured}
        self._known = {id(module) for module in model.modules()}
        self._known |= {id(root) for root in roots.values()}
        self._owners: list[_Owner] = []
        for name, parameter in model.named_parameters():
            self._add(name, parameter, frozenset())
        for name, module in model.named_modules():
            self._add(name, module, _NOT_OF_MODEL)
        for name, other in (others or {}).items():
            self._add(name, other, _INTERNAL)
        self._num_captured = len(self._owners)
        for name, other in (reset or {}).items():
            self._add(name, other, _INTERNAL)

    def difference(self) -> Difference:
        """Return what differs from the start, nothing copied.

        Raises:
            ValueError: If it cannot be put back, naming attribute and class.
        """
        captured = self._owners[: self._num_captured]
        found = {owner.path: owner.difference() for owner in captured}
        return {path: pairs for path, pairs in found.items() if pairs}

    def unknown(self, difference: Difference) -> list[str]:
        """Return the paths of what a difference holds and is not here."""
        known = {owner.path for owner in self._owners}
        return [path for path in difference if path not in known]

    def restore(self, difference: Difference) -> None:
        """Put back what a difference holds, and all else as at the start."""
        for owner in self._owners:
            pairs = difference.get(owner.path, [])
            owner.restore({decode(key): found for key, found in pairs})

    @contextlib.contextmanager
    def preserved(self) -> Iterator[None]:
        """Put everything back afterwards as it is now."""
        kept = clone_nested(self.difference())
        try:
            yield
        finally:
            self.restore(kept)

    def _add(self, path: str, target: Any, hidden: frozenset[str]) -> None:
        """Note the attributes of an object, and those of what it holds."""
        owner = _Owner(path, target, hidden, self._known)
        self._owners.append(owner)
        for key, value in owner.items().items():
            if isinstance(value, _FOREIGN):
                continue
            data = self._baseline(value)
            constant = type(value) in SCALARS
            closed = data is _NOT_PLAIN and not _can_look_into(value)
            digest = _pickle_digest(value) if closed else None
            owner.slots[key] = _Slot(value, data, constant, digest)
            if data is _NOT_PLAIN and self._is_new(value):
                self._add(f'{path}.{key}'.strip('.'), value, _INTERNAL)

    def _baseline(self, value: Any) -> Any:
        """Return a copy of plain data that nothing else captures."""
        try:
            data = encode(value)
        except NotPlainError:
            return _NOT_PLAIN
        storages = {_storage(tensor) for tensor in tensors_of(data)} - {0}
        # Others may hold the same tensors: each is put back in its place.
        looked_into = isinstance(value, (dict, list, tuple)) and storages
        if looked_into or storages & self._storages:
            return _NOT_PLAIN
        self._storages |= storages
        return clone_nested(data)

    def _is_new(self, value: Any) -> bool:
        """Return whether an object is to be looked into, and note it."""
        if id(value) in self._known or isinstance(value, Tensor):
            return False
        self._known.add(id(value))
        return _can_look_into(value)


class _Slot(NamedTuple):
    """An attribute at its start.

    Attributes:
        value: The object itself.
        data: What it held, encoded and copied; `_NOT_PLAIN` for an object
            that has an owner of its own, or that something else captures.
        constant: Whether the object cannot change.
        digest: Of an object that is neither plain data nor can be looked
            into, to see whether it has changed; None for others.
    """

    value: Any
    data: Any
    constant: bool = False
    digest: bytes | None = None


@dataclass
class _Owner:
    """An object whose attributes, or entries, are captured.

    Attributes:
        path: Names it in differences and messages.
        target: The object.
        hidden: Attributes that are left alone.
        known: Identities of objects that have an owner.
        slots: By attribute, how it was at the start.
    """

    path: str
    target: Any
    hidden: frozenset[str]
    known: set[int]
    slots: dict[Any, _Slot] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.hidden |= _transient(self.target.__class__)

    def items(self) -> dict[Any, Any]:
        """Return the attributes of an object, or the entries of a dict."""
        target = self.target
        if isinstance(target, nn.Parameter):
            return dict(requires_grad=target.requires_grad)
        if isinstance(target, dict):
            return dict(dict.items(target))  # a ConfigDict's own builds
        if isinstance(target, (list, tuple)):
            return dict(enumerate(target))
        return {k: v for k, v in vars(target).items() if k not in self.hidden}

    def difference(self) -> list[list[Any]]:
        """Return pairs of what changed, see :class:`PlainState`."""
        items = self.items()
        pairs = [
            [self._encoded(key, key), self._encoded(key, value)]
            for key, value in items.items()
            if self._is_changed(key, value)
        ]
        # What became a layer is where layers are.
        layers = getattr(self.target, '_modules', {})
        gone = [
            key
            for key in self.slots
            if key not in items and not _is_remade(layers.get(key))
        ]
        return pairs + [[self._encoded(key, key), _ABSENT] for key in gone]

    def restore(self, changed: dict[Any, Any]) -> None:
        """Set what changed, and all else as at the start."""
        items = self.items()
        for key, value in items.items():
            kept = key in self.slots or key in changed
            if not kept and self._is_own(value):
                self._remove(key)
        for key, slot in self.slots.items():
            if items.get(key, _ABSENT) is not slot.value:
                self._set(key, slot.value)
            fixed = slot.constant or slot.data is _NOT_PLAIN
            if key in changed or not fixed:
                self._put(key, slot, changed.get(key, slot.data))
        for key in [key for key in changed if key not in self.slots]:
            self._set(key, decode(changed[key]))

    def _is_changed(self, key: Any, value: Any) -> bool:
        slot = self.slots.get(key)
        if slot is None:
            return self._is_own(value) and not _is_remade(value)
        if value is slot.value and slot.digest is not None:
            return _pickle_digest(value) != slot.digest
        if value is slot.value and (slot.data is _NOT_PLAIN or slot.constant):
            return False
        return slot.data is _NOT_PLAIN or not _holds(value, slot.data)

    def _is_own(self, value: Any) -> bool:
        """Return whether a new attribute is more than a further reference."""
        known = isinstance(value, nn.Module) and id(value) in self.known
        return not known and not isinstance(value, _FOREIGN)

    def _encoded(self, key: Any, value: Any) -> Any:
        slot = self.slots.get(key)
        try:
            if slot is not None and slot.digest and value is slot.value:
                raise NotPlainError(type(value).__name__)
            return encode(value)
        except NotPlainError as error:
            kind, path = type(self.target).__name__, self.path or 'model'
            place = f'{kind}.{key}'
            name = f'it in `{kind}.transient_attributes`'
            if isinstance(self.target, (dict, list, tuple)):
                place = f'{path}[{key!r}]'
                name = 'its attribute in `transient_attributes` of its class'
            raise ValueError(
                f'`{place}` should hold plain data or the same object '
                'throughout, so that each replica of a search can have its '
                f'own. Found a new object with {error} in it, in `{path}`. '
                f'If each iteration sets it anew, name {name}.'
            ) from error

    def _put(self, key: Any, slot: _Slot, found: Any) -> None:
        """Set an attribute, in the object of the start if that can be."""
        if found == _ABSENT:
            self._remove(key)
        # What is in an object that is looked into stays its own.
        elif slot.data is _NOT_PLAIN or not (
            _holds(slot.value, found) or put_into(slot.value, found)
        ):
            self._set(key, decode(found))

    def _set(self, key: Any, value: Any) -> None:
        if isinstance(self.target, nn.Parameter):
            self.target.requires_grad_(value)
        elif isinstance(self.target, dict):
            dict.__setitem__(self.target, key, value)
        elif isinstance(self.target, list):
            self.target[key : key + 1] = [value]
        else:
            vars(self.target)[key] = value

    def _remove(self, key: Any) -> None:
        if isinstance(self.target, dict):
            dict.pop(self.target, key, None)
        elif isinstance(self.target, list):
            del self.target[key:]
        else:
            vars(self.target).pop(key, None)


def _is_remade(value: Any) -> bool:
    """Return whether a value is a layer that a forward pass makes again.

    One without parameters and buffers, such as a pooling layer of the size
    that the first batch has, is made where it is missing.
    """
    return isinstance(value, nn.Module) and not [
        *value.parameters(),
        *value.buffers(),
    ]


def _holds(value: Any, found: Any) -> bool:
    try:
        return same(encode(value), found)
    except NotPlainError:
        return False


def _can_look_into(value: Any) -> bool:
    return isinstance(value, (dict, list, tuple)) or hasattr(value, '__dict__')


def _pickle_digest(value: Any) -> bytes | None:
    """Return a digest of an object; None if it has none."""
    if isinstance(value, Tensor):
        return None  # it is captured apart
    try:
        return hashlib.sha256(pickle.dumps(value)).digest()
    except Exception:  # whatever a class raises that cannot be stored
        return None


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


@functools.cache
def _transient(kind: type) -> frozenset[str]:
    """Return what a class and those it is derived from leave alone."""
    return frozenset(
        name
        for base in kind.__mro__
        for name in (
            *vars(base).get('transient_attributes', ()),
            *_TRANSIENT.get(base, ()),
        )
    )
