"""Right uses; mypy and pyright pass on them in their strict modes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import oq

app = oq.App("memory:")


class Database:
    async def get(self, n: int) -> str:
        return str(n)


@app.on_start
async def database() -> AsyncIterator[Database]:
    yield Database()


@app.task(queue="mail", retry=oq.Retry(5, base="1s", never=(ValueError,)), timeout="30s")
async def welcome(to: str, tenant: str = "t") -> str:
    return to


@app.task()
def resize(path: str, *, db: Database = oq.resource()) -> int:
    return len(path)


@app.task
async def bare(n: int) -> bytes:
    return bytes(n)


@app.task
def bare_plain(self: int) -> float:
    return float(self)


@app.task(process=True)
def heavy(n: int) -> list[int]:
    return [n]


@app.on_failure
async def failed(event: oq.Event) -> None:
    print(event.id, event.kind)


async def produce() -> None:
    direct: str = await welcome("a", tenant="t")
    plain: int = resize("a", db=Database())
    handle = await welcome.enqueue("a", tenant="t")
    text: str = await handle.result(timeout="1m")
    number: int = await (await resize.using(delay="10m", priority="high").enqueue("a")).result()
    batch = await app.enqueue_many(heavy.call(n) for n in range(3))
    numbers: list[int] = await batch[0].result()
    mixed: list[oq.Call[object]] = [welcome.call("a"), resize.call("a"), bare.call(1)]
    others: oq.Batch[object] = await app.enqueue_many(mixed)
    either: oq.Batch[str | int] = await app.enqueue_many([welcome.call("a"), resize.call("a")])
    word: str | int = await either[0].result()
    some: bytes = await (await bare.enqueue(3)).result()
    half: float = bare_plain(3) + await bare_plain.enqueue_sync(self=3).result()
    drained = await app.drain(grace="1s")
    print(others, word, some, half, drained["completed"])
    view: oq.TaskView = await handle.status()
    print(direct, plain, text, number, numbers, view.state)


def produce_sync() -> str:
    handle = welcome.using(key="k").enqueue_sync("a")
    return handle.result_sync(60)
