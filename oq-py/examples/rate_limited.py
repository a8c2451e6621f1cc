"""A client of an API that allows few calls a second: what comes too early comes again later.

A task that raises Snooze has not failed, costs no attempt, and holds no slot while it waits.
"""

import asyncio
import time

import oq

app = oq.App()


class Limit:
    """So many calls a second, for this process."""

    def __init__(self, calls: int) -> None:
        self.gap = 1 / calls
        self.next = 0.0

    def wait(self) -> float:
        """How long to wait; zero takes a turn."""
        now = time.monotonic()
        if now < self.next:
            return self.next - now
        self.next = now + self.gap
        return 0.0


@app.on_start
def limit() -> Limit:
    return Limit(calls=100)


@app.task()
async def fetch(page: int, *, limit: Limit = oq.resource()) -> int:
    if wait := limit.wait():
        raise oq.Snooze(wait)
    return page * page


async def main() -> None:
    batch = await app.enqueue_many(fetch.call(page) for page in range(20))
    worker = asyncio.create_task(app.run_async())
    print(sum([await handle.result("1m") for handle in batch]))
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())

# prints: 2470
