# worker:  celery -A celery_jobs worker -c 4
import os

from celery import Celery, group

redis = os.environ["REDIS_URL"]  # a server to run, for messages and for results
app = Celery("celery_jobs", broker=redis, backend=redis)


@app.task(bind=True, autoretry_for=(ConnectionError,), max_retries=4, retry_backoff=1)
def fetch(self, url: str) -> str:
    attempt = self.request.retries + 1
    if attempt == 1:
        raise ConnectionError(url)
    return f"{url} at attempt {attempt}"


@app.task
def shrink(path: str, width: int) -> int:
    return len(path) * width


def produce() -> None:
    print(fetch.delay("cat.png").get(timeout=60))
    later = fetch.apply_async(("dog.png",), countdown=1)
    many = group(shrink.s(f"{n}.png", width=10) for n in range(100))()
    print(later.get(timeout=60))
    print(sum(many.get(timeout=60)))
