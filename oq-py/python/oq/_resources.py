"""What a worker brings for its tasks: made when it starts, asked for by annotation.

@app.on_start
async def database() -> AsyncIterator[Database]:
    async with connect() as database:
        yield database

@app.task()
async def save(n: int, db: Database = oq.resource()) -> None: ...
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

from .errors import Unusable


class _Resource:
    def __repr__(self) -> str:
        return "oq.resource()"


_RESOURCE = _Resource()


def resource() -> Any:
    """The default of a parameter that the worker fills, by the parameter's annotation."""
    return _RESOURCE


def is_resource(default: Any) -> bool:
    return default is _RESOURCE


class Resources:
    """What the ``on_start`` functions of one worker gave, until the worker ends."""

    def __init__(self) -> None:
        self._given: list[Any] = []
        self._stack = AsyncExitStack()

    async def start(self, function: Callable[[], Any]) -> None:
        """Calls one; what it gives, or yields, is there for tasks."""
        if inspect.isasyncgenfunction(function):
            given = await self._stack.enter_async_context(asynccontextmanager(function)())
        elif inspect.isgeneratorfunction(function):
            given = self._stack.enter_context(contextmanager(function)())
        else:
            given = function()
            if inspect.isawaitable(given):
                given = await given
        if given is not None:
            self._given.append(given)

    async def stop(self) -> None:
        """What comes after each ``yield`` runs, the newest first."""
        await self._stack.aclose()

    def find(self, task: str, name: str, kind: Any) -> Any:
        """The one that is of this kind; one of just this class is meant before its subclasses."""
        kind = getattr(kind, "__origin__", kind)
        fit = [g for g in self._given if isinstance(kind, type) and isinstance(g, kind)]
        exact = [g for g in fit if type(g) is kind]
        if len(exact or fit) == 1:
            return (exact or fit)[0]
        if fit:
            raise Unusable(
                f"{task}: several @app.on_start functions give a {kind.__name__} for {name}: "
                "give each a class of its own"
            )
        wanted = getattr(kind, "__name__", str(kind))
        raise Unusable(
            f"{task}: nothing is there for {name}: "
            f"give a {wanted} in a function under @app.on_start"
        )
