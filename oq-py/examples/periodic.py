"""A job for every period: each run enqueues the next under a key, so that there is one of each.

A run that crashes after it enqueued the next one runs again, and finds the next one there.
"""

import asyncio
from datetime import datetime, timedelta, timezone

import oq

app = oq.App()
PERIOD = timedelta(milliseconds=200)
reports: list[datetime] = []


@app.task()
async def report(at: datetime) -> None:
    following = at + PERIOD
    key = f"report:{following.isoformat()}"
    await report.using(at=following, key=key).enqueue(following)
    reports.append(at)


async def main() -> None:
    first = datetime.now(timezone.utc)
    for _ in range(2):  # two programs that start it are one
        await report.using(key=f"report:{first.isoformat()}").enqueue(first)
    worker = asyncio.create_task(app.run_async(poll="50ms"))
    while len(reports) < 3:
        await asyncio.sleep(0.05)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    print([(at - first) / PERIOD for at in reports[:3]])


if __name__ == "__main__":
    asyncio.run(main())

# prints: [0.0, 1.0, 2.0]
