# worker:  rq worker --with-scheduler --url $REDIS_URL
import os
import time
from datetime import timedelta

from redis import Redis
from rq import Queue, Retry, get_current_job
from rq.job import Job

queue = Queue(connection=Redis.from_url(os.environ["REDIS_URL"]))  # a server to run
RETRY = Retry(max=4, interval=[1, 2, 4, 8])


def fetch(url: str) -> str:
    job = get_current_job()
    attempt = RETRY.max - job.retries_left + 1
    if attempt == 1:
        raise ConnectionError(url)
    return f"{url} at attempt {attempt}"


def shrink(path: str, width: int) -> int:
    return len(path) * width


def result(job: Job) -> object:
    while job.get_status() != "finished":
        time.sleep(0.05)
    return job.return_value()


def produce() -> None:
    print(result(queue.enqueue(fetch, "cat.png", retry=RETRY)))
    later = queue.enqueue_in(timedelta(seconds=1), fetch, "dog.png", retry=RETRY)
    many = queue.enqueue_many(
        Queue.prepare_data(shrink, (f"{n}.png",), {"width": 10}) for n in range(100)
    )
    print(result(later))
    print(sum(result(job) for job in many))
