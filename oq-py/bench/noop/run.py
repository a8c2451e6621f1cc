"""One peer, in its own virtual environment: `python run.py celery_noop 5000`.

Prints, as JSON, in how many seconds the tasks were enqueued, and in how many the last had run.
"""

import importlib
import json
import os
import shlex
import subprocess
import sys
import time

from redis import Redis


def main() -> None:
    name, tasks = sys.argv[1], int(sys.argv[2])
    peer = importlib.import_module(name)
    redis = Redis.from_url(os.environ["REDIS_URL"])
    redis.flushall()

    def until_done() -> None:
        while peer.left(redis):
            time.sleep(0.005)

    worker = subprocess.Popen(
        shlex.split(peer.WORKER), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        peer.submit(50)  # until the worker is there and warm
        until_done()
        began = time.monotonic()
        peer.submit(tasks)
        enqueued = time.monotonic() - began
        until_done()
        print(json.dumps({"enqueued": enqueued, "ran": time.monotonic() - began}))
    finally:
        worker.terminate()
        worker.wait()


if __name__ == "__main__":
    main()
