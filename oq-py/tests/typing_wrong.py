"""Wrong uses. Each line with an expectation is refused by mypy and pyright, with these errors, and
no other line is."""

from __future__ import annotations

import oq

app = oq.App("memory:")


@app.task()
async def welcome(to: str, tenant: str) -> str:
    return to


@app.task()
def resize(path: str) -> int:
    return 1


@app.on_success  # E: type-var reportArgumentType
def told(id: str) -> None: ...


@app.task(timeot="1s")  # E: call-overload|call-arg reportCallIssue
def misspelt() -> None: ...


@app.task(timeout=[1])  # E: call-overload reportArgumentType|reportCallIssue
def no_duration() -> None: ...


@app.task(retry=5)  # E: call-overload reportArgumentType|reportCallIssue
def no_policy() -> None: ...


@app.task(retry=oq.Retry(growth="fast"))  # E: arg-type reportArgumentType
def no_growth() -> None: ...


async def arguments() -> None:
    await welcome.enqueue(1, "t")  # E: arg-type reportArgumentType
    await welcome.enqueue("a")  # E: call-arg reportCallIssue
    await welcome.enqueue("a", "t", "more")  # E: call-arg reportCallIssue
    await welcome.enqueue("a", tenant=None)  # E: arg-type reportArgumentType
    await welcome("a")  # E: call-arg reportCallIssue
    resize.call()  # E: call-arg reportCallIssue
    resize.call(b"a")  # E: arg-type reportArgumentType
    resize.enqueue_sync(path=3)  # E: arg-type reportArgumentType
    await app.enqueue_many([resize.call(1)])  # E: arg-type reportArgumentType
    await app.enqueue_many(resize("a") for _ in range(3))  # E: arg-type|misc reportArgumentType


async def options() -> None:
    await welcome.enqueue("a", tenant="t", delay="1s")  # E: call-arg reportCallIssue
    await welcome.using(delay="1s").enqueue("a", tenant=2)  # E: arg-type reportArgumentType
    await welcome.using(dely="1s").enqueue("a", tenant="t")  # E: call-arg reportCallIssue
    welcome.using("1s")  # E: call-arg|misc reportCallIssue
    welcome.using(priority="urgent")  # E: arg-type reportArgumentType
    welcome.using(at="tomorrow")  # E: arg-type reportArgumentType
    welcome.using(tags={"customer": 1})  # E: dict-item reportArgumentType
    app.run(concurrency="32")  # E: arg-type reportArgumentType


async def results() -> None:
    number: int = await (await welcome.enqueue("a", "t")).result()  # E: assignment reportAssignmentType
    text: str = await (await resize.enqueue("a")).result()  # E: assignment reportAssignmentType
    other: str = resize("a")  # E: assignment reportAssignmentType
    forgotten: str = welcome("a", "t")  # E: assignment reportAssignmentType
    handle: oq.Handle[str] = await resize.enqueue("a")  # E: assignment reportAssignmentType
    later: str = welcome.handle("id").result()  # E: assignment reportAssignmentType
    batch = await app.enqueue_many(resize.call("a") for _ in range(3))
    wrong: str = await batch[0].result()  # E: assignment reportAssignmentType
    many: oq.Batch[str] = await app.enqueue_many([welcome.call("a", "t"), resize.call("a")])  # E: list-item|arg-type reportAssignmentType
    text += resize.enqueue_sync("a").result_sync()  # E: operator reportOperatorIssue
    print(number, other, forgotten, handle, later, wrong, many)


async def handlers() -> None:
    oq.Snooze()  # E: call-arg reportCallIssue
    oq.current().extend(None)  # E: arg-type reportArgumentType
    oq.current().progress("half", 2)  # E: arg-type reportArgumentType
    saved: str = oq.current().saved(default=0)  # E: assignment reportAssignmentType
    view = await resize.handle("id").status()
    view.state = "completed"  # E: misc reportAttributeAccessIssue
    print(saved, view.progres)  # E: attr-defined reportAttributeAccessIssue
