"""Celery: processes, and no results, which is its fastest."""

import os

from celery import Celery
from redis import Redis

app = Celery("celery_noop", broker=os.environ["REDIS_URL"])
app.conf.task_ignore_result = True

WORKER = (
    "celery -A celery_noop worker --concurrency 2 --loglevel error "
    "--without-gossip --without-mingle --without-heartbeat"
)


@app.task
def nothing(text: str) -> None: ...


def submit(tasks: int, text: str) -> None:
    for _ in range(tasks):
        nothing.delay(text)


def left(redis: Redis) -> int:
    return redis.llen("celery") + redis.hlen("unacked")
