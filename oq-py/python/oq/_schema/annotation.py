"""From an annotation to its codec."""

from __future__ import annotations

import collections.abc as abc
import dataclasses
import enum
import sys
import types
import typing
from typing import Any

from . import kinds, shapes
from .codec import Codec

_ARRAYS: dict[Any, tuple[tuple[type, ...], Any, str]] = {
    list: ((list,), list, "list"),
    set: ((set,), set, "set"),
    frozenset: ((frozenset, set), frozenset, "frozenset"),
    abc.Sequence: ((list, tuple, abc.Sequence), list, "sequence"),
    abc.MutableSequence: ((list,), list, "list"),
    abc.Collection: ((abc.Collection,), list, "collection"),
    abc.Iterable: ((abc.Iterable,), list, "iterable"),
    abc.Set: ((abc.Set,), set, "set"),
    abc.MutableSet: ((abc.MutableSet,), set, "set"),
}
_MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)


class Unfit(Exception):
    """An annotation whose values have no JSON form."""


class Codecs:
    """The codecs of one function's annotations; records may contain themselves."""

    def __init__(self) -> None:
        self._records: dict[Any, Codec | None] = {}

    def of(self, annotation: Any) -> Codec:
        simple = _simple(annotation)
        if simple is not None:
            return simple
        if _is_pydantic(annotation):
            return shapes.pydantic(annotation)
        origin, args = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is typing.Annotated:
            return self.of(args[0])
        if hasattr(annotation, "__supertype__"):  # a NewType
            return self.of(annotation.__supertype__)
        if type(annotation).__name__ == "TypeAliasType":  # type X = …
            return self.of(annotation.__value__)
        if isinstance(annotation, typing.TypeVar):
            return kinds.ANY
        if origin is typing.Literal:
            return kinds.literal(args)
        if origin is typing.Union or origin is types.UnionType:
            return self._union(annotation, args)
        if origin is tuple or annotation is tuple:
            return self._tuple(args)
        if (origin or annotation) in _ARRAYS:
            accepts, make, name = _ARRAYS[origin or annotation]
            return shapes.array(self.of(args[0] if args else Any), accepts, make, name)
        if (origin or annotation) in _MAPPINGS:
            return self._mapping(args)
        if isinstance(annotation, type):
            return self._class(annotation)
        raise Unfit(f"{annotation!r} has no JSON form")

    def _union(self, annotation: Any, args: tuple[Any, ...]) -> Codec:
        if any(_is_pydantic(arg) for arg in args):
            return shapes.pydantic(annotation)
        members = [self.of(arg) for arg in args]
        if shapes.ambiguous(members):
            raise Unfit(
                f"the members of {annotation} look alike in JSON: "
                "use one of them, or a dataclass that tells them apart"
            )
        return shapes.union(members)

    def _tuple(self, args: tuple[Any, ...]) -> Codec:
        if not args:
            return shapes.array(kinds.ANY, (tuple,), tuple, "tuple")
        if len(args) == 2 and args[1] is Ellipsis:
            return shapes.array(self.of(args[0]), (tuple,), tuple, "tuple")
        return shapes.fixed([self.of(arg) for arg in args if arg != ()])

    def _mapping(self, args: tuple[Any, ...]) -> Codec:
        key, value = args if args else (str, Any)
        codec = self.of(key)
        if codec.kinds not in (kinds.TEXT, kinds.INTEGER):
            raise Unfit(f"{key} cannot be the key of an object in JSON")
        return shapes.mapping(codec, self.of(value))

    def _class(self, kind: Any) -> Codec:
        if issubclass(kind, enum.Enum):
            return kinds.enumeration(kind)
        is_tuple = issubclass(kind, tuple) and hasattr(kind, "_fields")
        if not (dataclasses.is_dataclass(kind) or is_tuple or typing.is_typeddict(kind)):
            raise Unfit(f"{kind.__module__}.{kind.__qualname__} has no JSON form")
        if kind in self._records:
            return self._later(kind)
        self._records[kind] = None
        hints = typing.get_type_hints(kind, include_extras=True)
        if typing.is_typeddict(kind):
            codec = self._typed_dict(kind, hints)
        elif is_tuple:
            codec = self._named_tuple(kind, hints)
        else:
            codec = self._dataclass(kind, hints)
        self._records[kind] = codec
        return codec

    def _later(self, kind: Any) -> Codec:
        """Of a record inside of itself."""

        def there() -> Codec:
            codec = self._records[kind]
            assert codec is not None
            return codec

        return Codec(
            lambda v: there().encode(v), lambda v: there().decode(v), frozenset({"object"})
        )

    def _dataclass(self, kind: Any, hints: dict[str, Any]) -> Codec:
        missing = dataclasses.MISSING
        fields = {
            f.name: shapes.Field(
                self.of(hints[f.name]), f.default is missing and f.default_factory is missing
            )
            for f in dataclasses.fields(kind)
            if f.init
        }

        def read(value: Any) -> dict[str, Any] | None:
            if type(value) is not kind:
                return None
            return {name: getattr(value, name) for name in fields}

        return shapes.record(fields, kind.__name__, read, kind)

    def _named_tuple(self, kind: Any, hints: dict[str, Any]) -> Codec:
        fields = {
            name: shapes.Field(self.of(hints.get(name, Any)), name not in kind._field_defaults)
            for name in kind._fields
        }

        def read(value: Any) -> dict[str, Any] | None:
            return dict(zip(kind._fields, value)) if type(value) is kind else None

        return shapes.record(fields, kind.__name__, read, kind)

    def _typed_dict(self, kind: Any, hints: dict[str, Any]) -> Codec:
        fields = {
            name: shapes.Field(self.of(_plain(hint)), name in kind.__required_keys__)
            for name, hint in hints.items()
        }

        def read(value: Any) -> dict[str, Any] | None:
            return value if isinstance(value, dict) else None

        return shapes.record(fields, kind.__name__, read, dict)


def _simple(annotation: Any) -> Codec | None:
    try:
        return kinds.SIMPLE.get(annotation)
    except TypeError:  # unhashable
        return None


def _is_pydantic(annotation: Any) -> bool:
    return hasattr(annotation, "__get_pydantic_core_schema__") and "pydantic" in sys.modules


def _plain(hint: Any) -> Any:
    """Without ``Required``, ``NotRequired`` and ``ReadOnly``."""
    origin = typing.get_origin(hint)
    name = getattr(origin, "_name", None) or getattr(origin, "__name__", "")
    return _plain(typing.get_args(hint)[0]) if name in _QUALIFIERS else hint


_QUALIFIERS = ("Required", "NotRequired", "ReadOnly")
