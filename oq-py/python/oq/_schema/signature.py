"""The parameters and the result of one function."""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Callable
from typing import Any

from .._json import dumps
from .._resources import is_resource
from ..errors import Invalid
from .annotation import Codecs, Unfit
from .codec import Codec, Fault
from .shapes import each

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Unknown(Invalid):
    """Input that names what this code does not know."""


class Schema:
    """How a function's arguments and its result become JSON.

    Arguments are an object by parameter name, so that one with a default can be added later.
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._name = name
        self.resources: dict[str, Any] = {}
        """What the worker brings, by parameter."""
        self._fields: dict[str, Codec] = {}
        self._positional: list[str] = []
        self._positional_only: list[str] = []
        self._required: list[str] = []
        self._spread: str | None = None
        self._spread_names: str | None = None
        try:
            hints = typing.get_type_hints(function, include_extras=True)
        except (NameError, AttributeError) as e:
            raise Invalid(f"{name}: its annotations cannot be read: {e}") from e
        codecs = Codecs()
        for parameter in inspect.signature(function).parameters.values():
            try:
                self._add(parameter, hints.get(parameter.name, Any), codecs)
            except Unfit as e:
                raise Invalid(f"{name}: parameter {parameter.name}: {e}") from None
        try:
            self._result = codecs.of(hints.get("return", Any))
        except Unfit as e:
            raise Invalid(f"{name}: its result: {e}") from None
        self._result_is_none = hints.get("return", Any) is type(None)

    def _add(self, parameter: inspect.Parameter, hint: Any, codecs: Codecs) -> None:
        name = parameter.name
        if is_resource(parameter.default):
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
                raise Unfit("a resource cannot be positional only")
            self.resources[name] = hint
            return
        self._fields[name] = codecs.of(hint)
        if parameter.kind in _POSITIONAL:
            self._positional.append(name)
        if parameter.kind is parameter.POSITIONAL_ONLY:
            self._positional_only.append(name)
        if parameter.kind is parameter.VAR_POSITIONAL:
            self._spread = name
        elif parameter.kind is parameter.VAR_KEYWORD:
            self._spread_names = name
        elif parameter.default is parameter.empty:
            self._required.append(name)

    def encode(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Arguments as JSON; ``Invalid`` names the place of what does not fit."""
        given = dict(zip(self._positional, args))
        rest = args[len(self._positional) :]
        if rest and self._spread is None:
            takes = len(self._positional)
            raise Invalid(f"{self._name}: it takes {takes} positional arguments, got {len(args)}")
        names: dict[str, Any] = {}
        coded: dict[str, Any] = {}
        name = ""
        try:
            for name, value in kwargs.items():
                known = name in self._fields and name not in (self._spread, self._spread_names)
                if name in given:
                    raise Fault("it is given twice")
                if known and name not in self._positional_only:
                    given[name] = value
                elif self._spread_names is None:
                    raise Fault("there is no such parameter")
                else:
                    names[name] = value
            for name, value in given.items():
                coded[name] = self._fields[name].encode(value)
            if rest and self._spread is not None:
                name = self._spread
                coded[name] = each(self._fields[name].encode, rest)
            if names and self._spread_names is not None:
                encode = self._fields[self._spread_names].encode
                collected = coded[self._spread_names] = {}
                for name, value in names.items():
                    collected[name] = encode(value)
            for name in self._required:
                if name not in coded:
                    raise Fault("it is missing")
        except Fault as fault:
            raise Invalid(f"{self._name}: {fault.inside(name)}") from None
        return dumps(coded, self._name)

    def decode(self, text: str) -> tuple[list[Any], dict[str, Any]]:
        """Arguments from JSON: an object by name, or an array by place.

        Anything else is the one argument of a function that takes one.
        """
        given = json.loads(text)
        if type(given) is list:
            if len(given) > len(self._positional):
                raise Unknown(f"{self._name}: {len(given)} arguments are too many")
            given = dict(zip(self._positional, given))
        elif type(given) is not dict:
            given = dict(zip(self._positional, [given] if given is not None else []))
        named: dict[str, Any] = {}
        rest: list[Any] = []
        more: dict[str, Any] = {}
        name = ""
        try:
            for name, value in given.items():
                codec = self._fields.get(name)
                if codec is None:
                    raise Fault("there is no such parameter", unknown=True)
                if name == self._spread:
                    rest = [codec.decode(item) for item in value]
                elif name == self._spread_names:
                    more = {key: codec.decode(item) for key, item in value.items()}
                else:
                    named[name] = codec.decode(value)
            for name in self._required:
                if name not in named:
                    raise Fault("it is missing")
        except Fault as fault:
            kind = Unknown if fault.unknown else Invalid
            raise kind(f"{self._name}: {fault.inside(name)}") from None
        # By name, but for what cannot be named or stands before *args.
        leading = self._positional if rest else self._positional_only
        args = [named.pop(name) for name in leading if name in named]
        return [*args, *rest], {**named, **more}

    def encode_result(self, value: Any) -> str:
        """The result as JSON. What a function that returns ``None`` returns is dropped."""
        if value is None or self._result_is_none:
            value = None
        try:
            coded = self._result.encode(value)
        except Fault as fault:
            raise Invalid(f"{self._name}: {fault.inside('result')}") from None
        return dumps(coded, f"{self._name}: result")

    def decode_result(self, value: Any) -> Any:
        try:
            return self._result.decode(value)
        except Fault as fault:
            raise Invalid(f"{self._name}: {fault.inside('result')}") from None
