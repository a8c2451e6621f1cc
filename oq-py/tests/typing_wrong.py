"""Wrong uses; each line with an expectation must be refused, with that error, and no other line."""

from __future__ import annotations

import oq

app = oq.App("memory:")


@app.task()
async def welcome(to: str, tenant: str) -> str:
    return to


@app.task()
def resize(path: str) -> int:
    return 1


@app.task(timeot="1s")  # E: call-overload|call-arg
def misspelt() -> None: ...


async def produce() -> None:
    await welcome.enqueue(1, "t")  # E: arg-type
    await welcome.enqueue("a")  # E: call-arg
    await welcome.enqueue("a", tenant="t", delay="1s")  # E: call-arg
    await welcome.using(delay="1s").enqueue("a", tenant=2)  # E: arg-type
    await welcome.using(dely="1s").enqueue("a", tenant="t")  # E: call-arg
    number: int = await (await welcome.enqueue("a", "t")).result()  # E: assignment
    text: str = await (await resize.enqueue("a")).result()  # E: assignment
    other: str = resize("a")  # E: assignment
    resize.call()  # E: call-arg
    batch = await app.enqueue_many(resize.call("a") for _ in range(3))
    wrong: str = await batch[0].result()  # E: assignment
    resize.enqueue_sync(path=3)  # E: arg-type
    print(number, text, other, wrong)
