"""A FastAPI program that enqueues, with a worker in the same process.

`uvicorn web:web` serves it. `oq worker web:jobs` runs more workers; the endpoints need not know of
them, and with `WORKERS=0` this process runs none.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator

import oq
from fastapi import FastAPI, HTTPException
from httpx import ASGITransport, AsyncClient

jobs = oq.App()


@jobs.task(retry=oq.Retry(5, base="1s"), timeout="30s")
async def welcome(to: str) -> str:
    return f"hello {to}"


@contextlib.asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    if os.environ.get("WORKERS") == "0":
        yield
        return
    worker = asyncio.create_task(jobs.run_async(concurrency=8))
    yield
    worker.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await worker


web = FastAPI(lifespan=lifespan)


@web.post("/welcome/{to}", status_code=202)
async def post_welcome(to: str) -> dict[str, str]:
    # Whoever posts twice gets the same task.
    handle = await welcome.using(key=f"welcome:{to}").enqueue(to)
    return {"task": handle.id}


@web.get("/tasks/{id}")
async def get_task(id: str) -> dict[str, object]:
    try:
        view = await jobs.handle(id).status()
    except (oq.Invalid, oq.NotFound) as e:
        raise HTTPException(404, str(e)) from None
    return {"state": view.state, "output": view.output}


@web.get("/again/{to}")
def again(to: str) -> str:  # a plain endpoint runs in a thread
    return welcome.using(key=f"welcome:{to}").enqueue_sync(to).id


async def main() -> None:
    """As a browser would use it."""
    transport = ASGITransport(web)
    async with lifespan(web), AsyncClient(transport=transport, base_url="http://web") as client:
        id = (await client.post("/welcome/Ada")).json()["task"]
        assert (await client.get("/again/Ada")).json() == id
        assert (await client.get("/tasks/nonsense")).status_code == 404
        while (await client.get(f"/tasks/{id}")).json()["state"] != "completed":
            await asyncio.sleep(0.05)
        print((await client.get(f"/tasks/{id}")).json()["output"])


if __name__ == "__main__":
    asyncio.run(main())

# prints: hello Ada
