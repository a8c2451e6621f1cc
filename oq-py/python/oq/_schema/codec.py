"""What a codec is, and how a fault in a value is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["null", "bool", "integer", "number", "string", "array", "object", "any"]
"""What a value is in JSON."""


class Fault(Exception):
    """A value that does not fit. The path grows from the inside out."""

    def __init__(self, why: str, *, unknown: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.unknown = unknown
        """Whether it is a name that is not known here, and may be to newer code."""
        self.path = ""

    def inside(self, step: str) -> Fault:
        joint = "." if self.path and not self.path.startswith("[") else ""
        self.path = f"{step}{joint}{self.path}"
        return self

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


@dataclass(frozen=True)
class Codec:
    """From a value to what ``json`` writes, and back. Both raise ``Fault``."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]
    kinds: frozenset[Kind]


def expected(what: str, got: Any) -> Fault:
    return Fault(f"expected {what}, got {_named(got)}")


def _named(value: Any) -> str:
    if value is None:
        return "None"
    text = repr(value) if isinstance(value, (bool, int, float, str)) else ""
    name = type(value).__name__
    return f"{name} {text}" if 0 < len(text) <= 40 else name
