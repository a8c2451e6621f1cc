"""Codecs of single values."""

from __future__ import annotations

import base64
import binascii
import datetime
import decimal
import enum
import math
import pathlib
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from .codec import Codec, Fault, Kind, expected

_DEEPEST = 100
"""Nested deeper than this, values are taken for recursive."""

_MOST_BITS = 1023
"""Readers of JSON may take integers for floats, which end here."""


def any_json(value: Any, depth: int = 0) -> Any:
    """A value that is JSON as it is."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is int:
        return _bounded(value)
    if kind is float:
        return _finite(value)
    if depth > _DEEPEST:
        raise Fault(f"it is nested deeper than {_DEEPEST}, or contains itself")
    step: Any = None
    try:
        if kind is list or kind is tuple:
            items = []
            for step, item in enumerate(value):
                items.append(any_json(item, depth + 1))
            return items
        if kind is dict:
            fields = {}
            for step, item in value.items():
                if type(step) is not str:
                    raise Fault(f"its keys are {type(step).__name__}, not str")
                fields[step] = any_json(item, depth + 1)
            return fields
    except Fault as fault:
        # Of what contains itself the beginning of the path says enough.
        if len(fault.path) < 200:
            fault.inside(f"[{step!r}]")
        raise
    raise Fault(f"{kind.__name__} is not JSON by itself: annotate what it is part of")


def _bounded(value: int) -> int:
    if value.bit_length() > _MOST_BITS:
        raise Fault(f"an integer of {value.bit_length()} bits is no number in JSON: make it text")
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise Fault(f"{value} is no JSON number")
    return value


def _same(value: Any) -> Any:
    return value


def _checked(kind: type, name: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if type(value) is kind or isinstance(value, kind):
            return value
        raise expected(name, value)

    return check


def _integer(value: Any) -> int:
    if isinstance(value, int):
        return _bounded(int(value))
    raise expected("int", value)


def _integer_only(value: Any) -> int:
    if type(value) is int:
        return value
    raise expected("int", value)


def _real(value: Any) -> Any:
    if type(value) is float:
        return _finite(value)
    if isinstance(value, (int, float)):
        return _finite(value) if isinstance(value, float) else _bounded(int(value))
    raise expected("float", value)


def _real_back(value: Any) -> float:
    if type(value) is float or type(value) is int:
        return float(value)
    raise expected("float", value)


def _nothing(value: Any) -> None:
    if value is not None:
        raise expected("None", value)


_string = _checked(str, "str")


def _of(*kinds: Kind) -> frozenset[Kind]:
    return frozenset(kinds)


TEXT = _of("string")
INTEGER = _of("integer")


def _text(kind: type, write: Callable[[Any], str], read: Callable[[str], Any]) -> Codec:
    """A codec of values that have a text."""

    def encode(value: Any) -> str:
        if not isinstance(value, kind):
            raise expected(kind.__name__, value)
        return write(value)

    def decode(text: Any) -> Any:
        if type(text) is not str:
            raise expected(f"{kind.__name__} as text", text)
        try:
            return read(text)
        except (ValueError, ArithmeticError):
            raise Fault(f"{text[:40]!r} is no {kind.__name__}") from None

    return Codec(encode, decode, TEXT)


def _bytes_back(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as e:
        raise ValueError from e


def _decimal(value: decimal.Decimal) -> str:
    if not value.is_finite():
        raise Fault(f"{value} is no number")
    return str(value)


def _zulu(text: str) -> str:
    """Python 3.10 does not read the ``Z`` that others write."""
    return f"{text[:-1]}+00:00" if text.endswith("Z") else text


def _moment(value: datetime.datetime) -> str:
    return value.isoformat()


def _day(value: datetime.date) -> str:
    if isinstance(value, datetime.datetime):
        raise expected("date", value)
    return value.isoformat()


def _span_back(value: Any) -> datetime.timedelta:
    if type(value) is not int and type(value) is not float:
        raise expected("seconds", value)
    try:
        return datetime.timedelta(seconds=value)
    except OverflowError:
        raise Fault(f"{value} s are too many") from None


def _span(value: Any) -> float:
    if not isinstance(value, datetime.timedelta):
        raise expected("timedelta", value)
    span = value.total_seconds()
    if datetime.timedelta(seconds=span) != value:
        raise Fault("a timedelta this long has no microseconds as a number: round it to seconds")
    return span


ANY = Codec(any_json, _same, _of("any"))
NOTHING = Codec(_nothing, _nothing, _of("null"))
STRING = Codec(_string, _string, TEXT)

SIMPLE: dict[Any, Codec] = {
    Any: ANY,
    object: ANY,
    None: NOTHING,
    type(None): NOTHING,
    bool: Codec(_checked(bool, "bool"), _checked(bool, "bool"), _of("bool")),
    int: Codec(_integer, _integer_only, INTEGER),
    float: Codec(_real, _real_back, _of("number")),
    str: STRING,
    bytes: _text(bytes, lambda b: base64.b64encode(b).decode(), _bytes_back),
    decimal.Decimal: _text(decimal.Decimal, _decimal, decimal.Decimal),
    uuid.UUID: _text(uuid.UUID, str, uuid.UUID),
    datetime.datetime: _text(
        datetime.datetime, _moment, lambda t: datetime.datetime.fromisoformat(_zulu(t))
    ),
    datetime.date: _text(datetime.date, _day, datetime.date.fromisoformat),
    datetime.time: _text(
        datetime.time, lambda t: t.isoformat(), lambda t: datetime.time.fromisoformat(_zulu(t))
    ),
    datetime.timedelta: Codec(_span, _span_back, _of("number")),
    pathlib.Path: _text(pathlib.Path, str, pathlib.Path),
    pathlib.PurePath: _text(pathlib.PurePath, str, pathlib.PurePath),
}


def literal(values: Sequence[Any]) -> Codec:
    """One of these values, told apart by type as well: ``1`` is not ``True``."""
    allowed = {(type(v), v): v for v in values}
    shown = ", ".join(repr(v) for v in values)

    def check(value: Any) -> Any:
        try:
            return allowed[type(value), value]
        except (KeyError, TypeError):
            raise expected(f"one of {shown}", value) from None

    return Codec(check, check, frozenset(_kind(v) for v in values))


def enumeration(kind: type[enum.Enum]) -> Codec:
    """By value where all values are text or integers, else by name."""
    members = list(kind)
    by_value = all(type(m.value) in (str, int) for m in members)
    if by_value and issubclass(kind, enum.Flag):
        return Codec(_enum_check(kind), lambda v: kind(_integer_only(v)), INTEGER)
    coded = {(m.value if by_value else m.name): m for m in members}
    codes = {m: code for code, m in coded.items()}

    def encode(value: Any) -> Any:
        if not isinstance(value, kind):
            raise expected(kind.__name__, value)
        return codes[value]

    def decode(code: Any) -> Any:
        member: enum.Enum | None = coded.get(code) if type(code) in (str, int) else None
        if member is None:
            raise Fault(f"{code!r} is no {kind.__name__}")
        return member

    return Codec(encode, decode, frozenset(_kind(code) for code in coded))


def _enum_check(kind: type[enum.Enum]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if not isinstance(value, kind):
            raise expected(kind.__name__, value)
        return value.value

    return check


def _kind(value: Any) -> Kind:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    return "integer" if isinstance(value, int) else "string"
