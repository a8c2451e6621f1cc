"""Functions on AWS Lambda: events come in, answers go out, and in between tasks run on one loop.

What an event means and what is answered is decided in the core; here is what keeps the loop, the
worker's Python side and the store open from one invocation to the next.
"""

from __future__ import annotations

# asyncio is imported where it is used: `import oq` alone shall not take twice as long.
import atexit
import json
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ._bridge import answer
from ._oq import Function, named_queue
from ._options import CONCURRENCY, Duration, queue_name, to_seconds, whole
from .errors import Invalid, Unusable

if TYPE_CHECKING:
    from ._app import App, Queues
    from ._oq import Draft, Request, Worker
    from ._worker import Attempts, WorkerOptions

T = TypeVar("T")

log = logging.getLogger("oq")

MAX_BODY = 1 << 20
"""How many bytes a request by HTTP may bring unless said."""

_ALONE = 60.0
"""The time of an invocation without a context, as in a test."""

_ENDING = 0.2
"""How long handlers that were stopped may take to end before the function answers."""

_ANSWER = 0.2
"""What is kept of the time for the answer itself: hooks and handlers do not get it."""


class LambdaContext(Protocol):
    """What Lambda passes beside the event, as far as it must be there. Tasks that are submitted
    directly and without a key have its ``aws_request_id`` for one."""

    def get_remaining_time_in_millis(self) -> int: ...


def lambda_handler(
    app: App,
    queues: Queues = None,
    *,
    concurrency: int | None = None,
    linger: Duration = "3s",
    http: bool | Iterable[str] = False,
    max_body: int = MAX_BODY,
) -> LambdaFunction:
    """A function for AWS Lambda that runs the app's tasks: ``handler = oq.lambda_handler(app)``.

    Call it where the module ends, after the tasks: it opens the store in the time that Lambda
    grants for that. ``queues`` is what ``OQ_QUEUE`` names, or all that tasks name; ``concurrency``,
    how many run at once, what ``OQ_CONCURRENCY`` says, or 32. ``linger`` says
    for how long it waits for a task that an event tells of and that is not due yet. With ``http``
    it also takes tasks by HTTP, for its own queues or for those that are named. What an event does not
    say of a task of the app, its declaration says: ``queue``, ``retry``, ``timeout`` and so on.
    """
    from . import _process

    if _process.is_child:
        return _InChild()
    if queues is None:
        queues = named_queue()
    if concurrency is None:
        concurrency = Function.concurrency() or CONCURRENCY
    options = app._worker_options(queues, concurrency=concurrency)
    open_to = _open_to(http, [name for name, _ in options.queues])
    body, seconds = whole(max_body, "max_body"), to_seconds(linger, "linger")
    declared = _declared(app)

    def opened(worker: Worker | None) -> Request[Function]:
        assert worker is not None
        return Function.handler(worker, declared, open_to, body, seconds)

    return LambdaFunction(app, options, opened)


def lambda_submitter(app: App, *, max_body: int = MAX_BODY) -> LambdaFunction:
    """A function for AWS Lambda that only submits: by HTTP, and by direct invocation. Tasks of the
    app go where they are declared to go, others to the queue that ``OQ_QUEUE`` or the app names."""
    from . import _process

    if _process.is_child:
        return _InChild()
    queue, body = named_queue() or app.queue, whole(max_body, "max_body")
    declared = _declared(app)
    return LambdaFunction(
        app, None, lambda _: Function.submitter(app._client, queue, declared, body)
    )


def _declared(app: App) -> list[tuple[Draft, str]]:
    """What is said of tasks that come as events, unless the event says it."""
    return [(task._draft, task.queue) for task in app.tasks.values()]


def _open_to(http: Any, own: list[str]) -> list[str]:
    """The queues that take tasks by HTTP."""
    if isinstance(http, bool):
        return own if http else []
    if not isinstance(http, Iterable):
        raise Invalid(f"http: expected True, False or names of queues, got {http!r}")
    return [queue_name(name, "http") for name in ([http] if isinstance(http, str) else http)]


class LambdaFunction:
    """What Lambda calls with an event, and a context that says how much time there is."""

    def __init__(
        self,
        app: App,
        options: WorkerOptions | None,
        open: Callable[[Worker | None], Request[Function]],
    ) -> None:
        import asyncio

        self._app = app
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._stack = AsyncExitStack()
        self._python: tuple[Worker, Attempts] | None = None
        try:
            self._function = self._run(self._open(options, open))
        except BaseException:
            self.close()
            raise
        atexit.register(self.close)

    def __call__(self, event: Any, context: LambdaContext | None = None) -> Any:
        """Answers one event. What it raises is for Lambda, which repeats an asynchronous event."""
        left = _ALONE if context is None else _left(context)
        # Both are readings of one clock: it may be wrong, their sum is not.
        deadline = time.time() + left
        try:
            document = json.dumps(event, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as e:
            raise Invalid(f"the event: it is not JSON: {e}") from None
        id = getattr(context, "aws_request_id", None)
        request = id if isinstance(id, str) else None
        return json.loads(self._run(self._answer(document, deadline, request)))

    def close(self) -> None:
        """Ends what ``on_start`` began. The end of the process calls it, but Lambda kills."""
        atexit.unregister(self.close)
        if not self._loop.is_closed():
            try:
                self._run(self._stack.aclose())
            finally:
                self._loop.close()

    async def _open(
        self, options: WorkerOptions | None, open: Callable[[Worker | None], Request[Function]]
    ) -> Function:
        from ._worker import opened

        self._app._client.quiet()
        if options is not None:
            python = opened(self._app, options, logs=False)
            self._python = await self._stack.enter_async_context(python)
        return await answer(open(self._python and self._python[0]))

    async def _answer(self, document: str, deadline: float, request: str | None) -> str:
        try:
            return await answer(self._function.answer(document, deadline, request))
        finally:
            if self._python is not None:
                worker, attempts = self._python
                attempts.read(worker)  # the last events
                await attempts.told(_until(deadline - _ANSWER - _ENDING))
                left = await attempts.settled(min(_ENDING, _until(deadline - _ANSWER)))
                if left:
                    log.warning("still running when the function answers: %s", ", ".join(left))
            if not await answer(self._app._client.flush(_until(deadline - _ANSWER / 2))):
                log.warning("workers were not told of all that was enqueued: they find it later")

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        import asyncio

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            with self._lock:
                if self._loop.is_closed():
                    work.close()
                    raise Unusable("this function was closed: nothing can be answered any more") from None
                return self._loop.run_until_complete(work)
        work.close()
        raise Unusable(
            "a function has an event loop of its own, and one runs in this thread already: "
            "call it by asyncio.to_thread"
        )


class _InChild(LambdaFunction):
    """What a module has for its function where a task of it with ``process=True`` runs: nothing is
    started there, and no event comes."""

    def __init__(self) -> None:
        pass

    def __call__(self, event: Any, context: LambdaContext | None = None) -> Any:
        raise Unusable(
            "this is the process of a task with process=True: events are answered by the function's own"
        )

    def close(self) -> None:
        pass


def _left(context: LambdaContext) -> float:
    """How many seconds there are."""
    ask = getattr(context, "get_remaining_time_in_millis", None)
    left = ask() if callable(ask) else None
    if isinstance(left, bool) or not isinstance(left, int | float):
        raise Invalid(
            "the context: expected one whose get_remaining_time_in_millis() gives a number, as Lambda "
            f"passes it, or None, got {context!r}"
        )
    return left / 1000


def _until(then: float) -> float:
    """The seconds until a reading of the clock, none if it is past."""
    return max(0.0, then - time.time())
