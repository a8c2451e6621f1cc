"""A Python worker whose handlers append to the log of effects when they begin and when they end."""

import asyncio
import os
import time

import oq

app = oq.App()
effects = os.open(os.environ["EFFECTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def effect(what: str) -> None:
    task = oq.current()
    line = f"{time.time()} {what} {os.environ['WORKER']} 0 {task.id} {task.delivery} {task.token}\n"
    os.write(effects, line.encode())


async def work(run: float, turn: Exception | None = None) -> str:
    effect("start")
    await asyncio.sleep(run)
    if turn is not None:
        effect("turn")
        raise turn
    effect("end")
    return oq.current().token


@app.task()
async def act(run: float) -> str:
    return await work(run)


@app.task()
def block(run: float) -> str:
    """The same on a thread."""
    effect("start")
    time.sleep(run)
    effect("end")
    return oq.current().token


@app.task()
async def flaky(run: float) -> str:
    """Fails twice."""
    return await work(run, RuntimeError("not yet") if oq.current().attempt < 3 else None)


@app.task()
async def later(run: float) -> str:
    """Asks to come again until it is claimed for the third time."""
    return await work(run, oq.Snooze("1s") if oq.current().delivery < 3 else None)


app.run(concurrency=int(os.environ["SLOTS"]), grace="5s", poll="1s")
