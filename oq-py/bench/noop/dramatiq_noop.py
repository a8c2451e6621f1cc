"""Dramatiq: two processes of eight threads, its own default for two cores, and no results."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from redis import Redis

dramatiq.set_broker(RedisBroker(url=os.environ["REDIS_URL"]))

WORKER = "dramatiq dramatiq_noop --processes 2 --threads 8"


@dramatiq.actor
def nothing(text: str) -> None: ...


def submit(tasks: int, text: str) -> None:
    for _ in range(tasks):
        nothing.send(text)


def left(redis: Redis) -> int:
    return redis.hlen("dramatiq:default.msgs")
