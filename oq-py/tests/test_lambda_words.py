"""What a function in Python refuses, and in which words."""

import gc
import re
from typing import Any

import oq
import pytest
from lambda_events import MINUTE, TICK, Context


class Unsure:
    """A context that tells anything."""

    def __init__(self, left: Any) -> None:
        self._left = left

    def get_remaining_time_in_millis(self) -> Any:
        return self._left


def test_a_closed_function_says_so(memory_app, recwarn):
    @memory_app.task()
    async def double(n: int) -> int:
        return 2 * n

    handler = oq.lambda_handler(memory_app)
    handler.close()
    handler.close()
    with pytest.raises(oq.Unusable, match="closed"):
        handler(TICK, MINUTE)
    gc.collect()
    assert not [w for w in recwarn if "never awaited" in str(w.message)]


@pytest.mark.parametrize("context", ["text", {"a": 1}, object(), Unsure(None), Unsure("1000")])
def test_a_context_that_does_not_tell_the_time_is_refused(context, memory_app, functions):
    submitter = oq.lambda_submitter(memory_app)
    functions.append(submitter)
    with pytest.raises(oq.Invalid, match="get_remaining_time_in_millis"):
        submitter({"type": "double"}, context)


def test_what_enqueued_nothing_warns_of_no_bell(memory_app, functions, caplog):
    @memory_app.task()
    async def double(n: int) -> int:
        return 2 * n

    handler = oq.lambda_handler(memory_app)
    functions.append(handler)
    for seconds in (0, -1, 0.05):
        with pytest.raises(oq.Unusable, match="timeout"):
            handler(TICK, Context(seconds))
    assert not [r for r in caplog.records if "not told" in r.getMessage()]


@pytest.mark.parametrize(
    "said, says",
    [
        ({"max_body": -1}, "max_body: expected 0 to"),
        ({"max_body": 1.5}, "max_body: expected an integer"),
        ({"http": 5}, "http: expected True, False or names"),
        ({"http": [5]}, "http: expected text, got 5"),
        ({"http": "a/b"}, 'queue name "a/b"'),
        ({"queues": []}, "queues: expected one at least, got none"),
        ({"queues": {}}, "queues: expected one at least, got none"),
    ],
    ids=str,
)
def test_what_a_function_cannot_be_is_said_in_words_of_python(said, says, memory_app):
    @memory_app.task()
    async def double(n: int) -> int:
        return 2 * n

    with pytest.raises(oq.Invalid, match=re.escape(says)):
        oq.lambda_handler(memory_app, **said)
    if "max_body" in said:
        with pytest.raises(oq.Invalid, match=re.escape(says)):
            oq.lambda_submitter(memory_app, **said)
