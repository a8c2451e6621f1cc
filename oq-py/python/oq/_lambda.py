"""Functions on AWS Lambda: events come in, answers go out, and in between tasks run on one loop.

What an event means and what is answered is decided in the core; here is what keeps the loop, the
worker's Python side and the store open from one invocation to the next.
"""

from __future__ import annotations

# asyncio is imported where it is used: `import oq` alone shall not take twice as long.
import atexit
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ._bridge import answer
from ._oq import Function
from ._options import CONCURRENCY, Duration, to_seconds
from .errors import Invalid, Unusable

if TYPE_CHECKING:
    from ._app import App, Queues
    from ._oq import Request, Worker
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
    it also takes tasks by HTTP, for its own queues or for those that are named.
    """
    if queues is None:
        queues = os.environ.get("OQ_QUEUE") or None
    if concurrency is None:
        concurrency = Function.concurrency() or CONCURRENCY
    options = app._worker_options(queues, concurrency=concurrency)
    own = [name for name, _ in options.queues]
    open_to = (own if http else []) if isinstance(http, bool) else list(http)
    seconds = to_seconds(linger)

    def opened(worker: Worker | None) -> Request[Function]:
        assert worker is not None
        return Function.handler(worker, open_to, max_body, seconds)

    return LambdaFunction(app, options, opened)


def lambda_submitter(app: App, *, max_body: int = MAX_BODY) -> LambdaFunction:
    """A function for AWS Lambda that only submits, to the queue that ``OQ_QUEUE`` or the app names:
    by HTTP, and by direct invocation."""
    queue = os.environ.get("OQ_QUEUE") or app.queue
    return LambdaFunction(app, None, lambda _: Function.submitter(app._client, queue, max_body))


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
        left = context.get_remaining_time_in_millis() / 1000 if context else _ALONE
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
        import asyncio

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
            try:
                await asyncio.wait_for(self._app.flush(), _until(deadline - _ANSWER / 2))
            except asyncio.TimeoutError:  # its own class before Python 3.11
                log.warning("workers were not told of all that was enqueued: they find it later")

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        import asyncio

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            with self._lock:
                return self._loop.run_until_complete(work)
        work.close()
        raise Unusable(
            "a function has an event loop of its own, and one runs in this thread already: "
            "call it by asyncio.to_thread"
        )


def _until(then: float) -> float:
    """The seconds until a reading of the clock, none if it is past."""
    return max(0.0, then - time.time())
