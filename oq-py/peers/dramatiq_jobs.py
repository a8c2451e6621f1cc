# worker:  dramatiq dramatiq_jobs
import os

import dramatiq
from dramatiq import group
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import CurrentMessage
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

redis = os.environ["REDIS_URL"]  # a server to run, for messages and for results
broker = RedisBroker(url=redis)
broker.add_middleware(Results(backend=RedisBackend(url=redis)))
broker.add_middleware(CurrentMessage())
dramatiq.set_broker(broker)


@dramatiq.actor(max_retries=4, min_backoff=1_000, store_results=True)
def fetch(url: str) -> str:
    attempt = CurrentMessage.get_current_message().options.get("retries", 0) + 1
    if attempt == 1:
        raise ConnectionError(url)
    return f"{url} at attempt {attempt}"


@dramatiq.actor(store_results=True)
def shrink(path: str, width: int) -> int:
    return len(path) * width


def produce() -> None:
    print(fetch.send("cat.png").get_result(block=True, timeout=60_000))
    later = fetch.send_with_options(args=("dog.png",), delay=1_000)
    many = group(shrink.message(f"{n}.png", width=10) for n in range(100)).run()
    print(later.get_result(block=True, timeout=60_000))
    print(sum(many.get_results(block=True, timeout=60_000)))
