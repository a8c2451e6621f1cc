# worker:  oq worker oq_jobs:app
import oq

app = oq.App()  # OQ_URL: a bucket, or a file; nothing to run


@app.task(retry=oq.Retry(5, base="1s", only=[ConnectionError]))
def fetch(url: str) -> str:
    attempt = oq.current().attempt
    if attempt == 1:
        raise ConnectionError(url)
    return f"{url} at attempt {attempt}"


@app.task()
def shrink(path: str, width: int) -> int:
    return len(path) * width


def produce() -> None:
    print(fetch.enqueue_sync("cat.png").result_sync("1m"))
    later = fetch.using(delay="1s").enqueue_sync("dog.png")
    many = app.enqueue_many_sync(shrink.call(f"{n}.png", width=10) for n in range(100))
    print(later.result_sync("1m"))
    print(sum(handle.result_sync("1m") for handle in many))
