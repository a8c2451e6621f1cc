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


@app.task()
async def act(run: float) -> str:
    effect("start")
    await asyncio.sleep(run)
    effect("end")
    return oq.current().token


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
    effect("start")
    await asyncio.sleep(run)
    if oq.current().attempt < 3:
        effect("turn")
        raise RuntimeError("not yet")
    effect("end")
    return oq.current().token


@app.task()
async def later(run: float) -> str:
    """Asks to come again until it is claimed for the third time."""
    effect("start")
    await asyncio.sleep(run)
    if oq.current().delivery < 3:
        effect("turn")
        raise oq.Snooze("1s")
    effect("end")
    return oq.current().token


app.run(concurrency=4, grace="5s", poll="1s")
