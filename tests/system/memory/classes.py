"""All classes of the client, and instances of them whose secret fields hold a canary."""

import dataclasses
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Any

import solekey
from solekey.crypto import Confidential

CANARY = "canary-7Qv2-that-must-never-be-printed"
TEXTS = (str, bytes, bytearray, memoryview, object)
IDS = ("solekey.", "solekey_protocol.")


def iter_classes() -> Iterator[type]:
    """Every class that a module of `solekey` defines."""
    seen: set[type] = set()
    for found in pkgutil.walk_packages(solekey.__path__, "solekey."):
        module = importlib.import_module(found.name)
        for value in vars(module).values():
            if inspect.isclass(value) and value.__module__ == module.__name__ and value not in seen:
                seen.add(value)
                yield value


def iter_dataclasses() -> Iterator[type]:
    """Every dataclass of `solekey`."""
    return (found for found in iter_classes() if dataclasses.is_dataclass(found))


def make_leaky(kind: type, public: Callable[[str], bool] = lambda _: False) -> Any:
    """Make an instance with the canary in every field that its type does not make public."""
    made = object.__new__(kind)
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        value: Any = CANARY
        if inspect.isclass(hint) and issubclass(hint, Confidential) and dataclasses.is_dataclass(hint):
            value = make_leaky(hint)
        elif is_public(hint) or public(field.name):
            value = 1
        object.__setattr__(made, field.name, value)
    return made


def is_public(hint: Any) -> bool:
    """Whether no value of this type can hold a secret that the class itself would have to hide."""
    if hint is None or hint is type(None) or hint is Ellipsis:
        return True
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is not None:
        return origin is Callable or all(is_public(argument) for argument in arguments)
    if isinstance(hint, typing.TypeVar):
        return is_public(hint.__bound__ or Any)
    if hint is Any or not inspect.isclass(hint):
        return hint is not Any and not isinstance(hint, (str, typing.ForwardRef))
    if hint.__module__.startswith(IDS):  # ids and enums are no free text; dataclasses are walked themselves
        return True
    return hint not in TEXTS and not issubclass(hint, (str, bytes, Mapping, Sequence, Set))
