"""A FastAPI program that enqueues, with the worker in the same process or in others.

`oq worker web:jobs` runs more workers; the endpoint need not know of them.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import oq
from fastapi import FastAPI
from fastapi.testclient import TestClient

jobs = oq.App()


@jobs.task(retry=oq.Retry(5, base="1s"), timeout="30s")
async def welcome(to: str) -> str:
    return f"hello {to}"


@contextlib.asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
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
    view = await jobs.handle(id).status()
    return {"state": view.state, "output": view.output}


@web.get("/again/{to}")
def again(to: str) -> str:  # a plain endpoint runs in a thread
    return welcome.using(key=f"welcome:{to}").enqueue_sync(to).id


def main() -> None:
    with TestClient(web) as client:
        id = client.post("/welcome/Ada").json()["task"]
        assert client.get("/again/Ada").json() == id
        while client.get(f"/tasks/{id}").json()["state"] != "completed":
            time.sleep(0.05)
        print(client.get(f"/tasks/{id}").json()["output"])


if __name__ == "__main__":
    main()

# prints: hello Ada
