"""One peer, in its own virtual environment: `python run.py celery_noop 5000`.

Prints, as JSON, how many tasks a second were enqueued with nobody at work, worked off by a worker that
starts then, and run end to end with that worker there. It has started when its first tasks have
ended; it is done when Redis has nothing left.
"""

import importlib
import json
import os
import shlex
import subprocess
import sys
import time

from redis import Redis

TEXT = "x" * 98  # 100 bytes of JSON, as for all others


def main() -> None:
    name, tasks = sys.argv[1], int(sys.argv[2])
    peer = importlib.import_module(name)
    redis = Redis.from_url(os.environ["REDIS_URL"])
    redis.flushall()

    def until_at_most(most: int) -> tuple[int, float]:
        while (left := peer.left(redis)) > most:
            time.sleep(0.005)
        return left, time.monotonic()

    began = time.monotonic()
    peer.submit(tasks, TEXT)
    enqueued = time.monotonic() - began
    worker = subprocess.Popen(
        shlex.split(peer.WORKER), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        left, began = until_at_most(tasks - 1)
        _, ended = until_at_most(0)
        drained = ended - began
        began = time.monotonic()
        peer.submit(tasks, TEXT)
        _, ended = until_at_most(0)
        rates = {
            "enqueued": tasks / enqueued,
            "drained": left / drained,
            "ran": tasks / (ended - began),
        }
        print(json.dumps(rates))
    finally:
        worker.terminate()
        worker.wait()


if __name__ == "__main__":
    main()
