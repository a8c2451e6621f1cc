"""A serverless task queue whose only dependency is an object store.

app = oq.App("sqlite:./oq.db")

@app.task()
async def welcome(to: str) -> str:
    return f"hello {to}"

handle = await welcome.enqueue("a@x.io")     # or welcome.enqueue_sync(...)
print(await handle.result(timeout="1m"))
app.run()                                    # elsewhere: the worker
"""

from . import _pythons

_pythons.check()

from ._app import App
from ._context import Context, current
from ._handle import Batch, Failure, Handle, Progress, TaskView
from ._lambda import LambdaFunction, lambda_handler, lambda_submitter
from ._options import Duration, Retry
from ._oq import Event, __version__
from ._resources import resource
from ._task import Bound, Call, Task
from .errors import (
    Conflict,
    Denied,
    Fail,
    InDoubt,
    Invalid,
    NotFound,
    OqError,
    Snooze,
    TaskFailed,
    TimedOut,
    Unavailable,
    Unreadable,
    Unusable,
)

__all__ = [
    "App",
    "Batch",
    "Bound",
    "Call",
    "Conflict",
    "Context",
    "Denied",
    "Duration",
    "Event",
    "Fail",
    "Failure",
    "Handle",
    "InDoubt",
    "Invalid",
    "LambdaFunction",
    "NotFound",
    "OqError",
    "Progress",
    "Retry",
    "Snooze",
    "Task",
    "TaskFailed",
    "TaskView",
    "TimedOut",
    "Unavailable",
    "Unreadable",
    "Unusable",
    "__version__",
    "current",
    "lambda_handler",
    "lambda_submitter",
    "resource",
]
