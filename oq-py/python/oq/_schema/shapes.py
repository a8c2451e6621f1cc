"""Codecs made of others: containers, records, unions."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .codec import Codec, Fault, Kind, expected
from .kinds import INTEGER

_ARRAY: frozenset[Kind] = frozenset({"array"})
_OBJECT: frozenset[Kind] = frozenset({"object"})


def each(code: Callable[[Any], Any], items: Any) -> list[Any]:
    """All items, coded; a fault says which one."""
    place = 0
    coded = []
    try:
        for place, item in enumerate(items):
            coded.append(code(item))
    except Fault as fault:
        fault.inside(f"[{place}]")
        raise
    return coded


def array(item: Codec, accepts: tuple[type, ...], make: Callable[[Any], Any], name: str) -> Codec:
    """Any number of items of one kind."""

    def encode(value: Any) -> Any:
        if not isinstance(value, accepts) or isinstance(value, (str, bytes)):
            raise expected(name, value)
        return each(item.encode, value)

    def decode(value: Any) -> Any:
        if type(value) is not list:
            raise expected(name, value)
        return make(each(item.decode, value))

    return Codec(encode, decode, _ARRAY)


def fixed(items: Sequence[Codec]) -> Codec:
    """A tuple whose places have a kind each."""

    def code(value: Any, way: str) -> list[Any]:
        if len(value) != len(items):
            raise Fault(f"expected {len(items)} items, got {len(value)}")
        coded = []
        for place, (item, codec) in enumerate(zip(value, items)):
            try:
                coded.append(getattr(codec, way)(item))
            except Fault as fault:
                fault.inside(f"[{place}]")
                raise
        return coded

    def encode(value: Any) -> Any:
        if not isinstance(value, tuple):
            raise expected("tuple", value)
        return code(value, "encode")

    def decode(value: Any) -> Any:
        if type(value) is not list:
            raise expected("tuple", value)
        return tuple(code(value, "decode"))

    return Codec(encode, decode, _ARRAY)


def mapping(key: Codec, value: Codec) -> Codec:
    """An object with any names; keys that are integers become text and back."""
    integers = key.kinds == INTEGER

    def encode(given: Any) -> Any:
        if not hasattr(given, "items"):
            raise expected("dict", given)
        coded: dict[str, Any] = {}
        name: Any = None
        try:
            for name, item in given.items():
                text = key.encode(name)
                coded[str(text) if integers else text] = value.encode(item)
        except Fault as fault:
            fault.inside(f"[{name!r}]")
            raise
        return coded

    def decode(given: Any) -> Any:
        if type(given) is not dict:
            raise expected("dict", given)
        back: dict[Any, Any] = {}
        name = ""
        try:
            for name, item in given.items():
                back[key.decode(_int(name) if integers else name)] = value.decode(item)
        except Fault as fault:
            fault.inside(f"[{name!r}]")
            raise
        return back

    return Codec(encode, decode, _OBJECT)


def _int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Fault(f"{text[:40]!r} is no int") from None


@dataclasses.dataclass(frozen=True)
class Field:
    """One name of a record."""

    codec: Codec
    required: bool


def record(
    fields: Mapping[str, Field],
    name: str,
    read: Callable[[Any], Mapping[str, Any] | None],
    make: Callable[..., Any],
) -> Codec:
    """An object with these names; ``read`` gives a value's, or ``None`` if it is another thing."""

    def code(given: Mapping[str, Any], way: str) -> dict[str, Any]:
        coded: dict[str, Any] = {}
        for field, item in given.items():
            known = fields.get(field)
            if known is None:
                raise Fault(f"{name} has no {field!r}", unknown=True)
            try:
                coded[field] = getattr(known.codec, way)(item)
            except Fault as fault:
                fault.inside(field)
                raise
        for field, known in fields.items():
            if known.required and field not in coded:
                raise Fault(f"{field!r} is missing")
        return coded

    def encode(value: Any) -> Any:
        given = read(value)
        if given is None:
            raise expected(name, value)
        return code(given, "encode")

    def decode(value: Any) -> Any:
        if type(value) is not dict:
            raise expected(name, value)
        try:
            return make(**code(value, "decode"))
        except (ValueError, TypeError) as e:  # what its own checks say
            raise Fault(f"it is no {name}: {e}") from e

    return Codec(encode, decode, _OBJECT)


def union(members: Sequence[Codec]) -> Codec:
    """The first member that takes a value; what a value is in JSON tells members apart."""

    def first(way: str) -> Callable[[Any], Any]:
        ways = [getattr(member, way) for member in members]

        def code(value: Any) -> Any:
            faults = []
            for attempt in ways:
                try:
                    return attempt(value)
                except Fault as fault:
                    faults.append(fault)
            # The one that got furthest says most.
            raise max(faults, key=lambda fault: len(fault.path))

        return code

    kinds = frozenset().union(*(member.kinds for member in members))
    return Codec(first("encode"), first("decode"), kinds)


def ambiguous(members: Sequence[Codec]) -> bool:
    """Whether two members look the same in JSON."""
    seen: set[str] = set()
    for member in members:
        if seen & member.kinds or ("any" in member.kinds and len(members) > 1):
            return True
        seen |= member.kinds
    return False


def pydantic(annotation: Any) -> Codec:
    """What pydantic makes of it; whoever has such an annotation has pydantic."""
    adapter = sys.modules["pydantic"].TypeAdapter(annotation)
    invalid = sys.modules["pydantic"].ValidationError

    def fault(e: Any) -> Fault:
        first = e.errors()[0]
        path = ".".join(str(step) for step in first["loc"])
        told = Fault(first["msg"], unknown=first["type"] == "extra_forbidden")
        return told.inside(path) if path else told

    def encode(value: Any) -> Any:
        try:
            checked = adapter.validate_python(value, strict=True)
            return adapter.dump_python(checked, mode="json")
        except invalid as e:
            raise fault(e) from None
        except Exception as e:  # bytes that are no UTF-8, a serializer of the model's own
            raise Fault(f"pydantic cannot write it as JSON: {e}") from None

    def decode(value: Any) -> Any:
        try:
            return adapter.validate_json(json.dumps(value))
        except invalid as e:
            raise fault(e) from None

    return Codec(encode, decode, frozenset({"any"}))
