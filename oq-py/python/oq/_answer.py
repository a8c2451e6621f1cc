"""What an attempt came to, told to whoever waits for it: for loop, threads and processes alike."""

from __future__ import annotations

import inspect
import traceback
from typing import TYPE_CHECKING, Any, Protocol

from ._options import Retry, to_seconds
from ._schema import Unknown
from .errors import Fail, Invalid, Snooze

if TYPE_CHECKING:
    from ._task import Task

_MOST = 16 << 10
"""How many characters of message and traceback are kept; the core counts bytes once more."""

_HEAD = 4 << 10


class Answers(Protocol):
    """Takes one answer."""

    def complete(self, output: str) -> None: ...
    def fail(self, kind: str, message: str, fatal: bool) -> None: ...
    def snooze(self, delay: float) -> None: ...


def returned(task: Task[..., Any, Any], to: Answers, result: Any) -> None:
    """The handler returned this."""
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        why = "it returned a coroutine that nobody awaited: await it, or write async def"
        to.fail("result", f"{task.name}: {why}", True)
        return
    try:
        output = task._schema.encode_result(result)
    except Invalid as e:
        to.fail("result", str(e), True)
    except BaseException as e:  # an annotation's own code, as a property that raises
        to.fail("result", _text(e), True)
    else:
        to.complete(output)


def raised(task: Task[..., Any, Any], to: Answers, error: BaseException) -> None:
    """The handler raised this."""
    if isinstance(error, Snooze):
        try:
            to.snooze(to_seconds(error.delay))
        except Invalid as e:
            to.fail("Snooze", str(e), True)
        return
    kind, fatal = _kind(task.options.retry, error)
    to.fail(kind, _text(error), fatal)


def unread(to: Answers, error: Invalid) -> None:
    """Its input does not fit the handler.

    What names something that this code does not know may come from a newer program, and fit a worker
    that runs the newer code: it is tried again as the policy says. Anything else never fits.
    """
    to.fail("input", str(error), not isinstance(error, Unknown))


def _kind(retry: Retry | None, error: BaseException) -> tuple[str, bool]:
    """The name that the recorded policy matches, and whether the task's own policy ends it here.

    A record has names only; classes are known here, and their subclasses with them.
    """
    name = type(error).__name__
    if isinstance(error, Fail):
        return name, True
    if retry is None:
        return name, False
    if any(isinstance(kind, type) and isinstance(error, kind) for kind in retry.never):
        return name, True
    for kind in retry.only:
        if isinstance(kind, type) and isinstance(error, kind):
            return kind.__name__, False
    return name, False


def _text(error: BaseException) -> str:
    """The message, and below it where it came from."""
    parts = [_message(error)]
    seen = {id(error)}
    at = error
    # The first frame is oq's own call of the handler.
    frames = error.__traceback__ and error.__traceback__.tb_next
    while len(seen) < 10:
        stack = "".join(traceback.format_tb(frames, limit=-20))
        if stack:
            parts.append(f"Traceback of {type(at).__name__} (most recent call last):\n{stack}")
        cause = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
        if cause is None or id(cause) in seen:
            break
        seen.add(id(cause))
        parts.append(f"from {type(cause).__name__}: {_message(cause)}")
        at, frames = cause, cause.__traceback__
    text = "\n".join(parts)
    return text if len(text) <= _MOST else f"{text[: _MOST // 2]}\n… cut …\n{text[-_MOST // 2 :]}"


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException:  # its own __str__, which may exit as well
        text = "its message cannot be shown"
    text = text if len(text) <= _HEAD else f"{text[:_HEAD]} … ({len(text)} characters)"
    # Lone surrogates have no UTF-8.
    return text.encode("utf-8", "backslashreplace").decode()
