"""Dramatiq: two processes of eight threads, its own default for two cores, and no results."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from redis import Redis

dramatiq.set_broker(RedisBroker(url=os.environ["REDIS_URL"]))

WORKER = "dramatiq dramatiq_noop --processes 2 --threads 8"


@dramatiq.actor
def nothing(n: int) -> None: ...


def submit(tasks: int) -> None:
    for n in range(tasks):
        nothing.send(n)


def left(redis: Redis) -> int:
    return redis.hlen("dramatiq:default.msgs")
