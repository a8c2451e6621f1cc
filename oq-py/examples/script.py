"""A plain script, without async: it enqueues, runs what is due, and prints what became of it.

With `--worker` it only works, until Ctrl-C: start as many of these as you like, before or after.
"""

import sys

import oq

app = oq.App()


@app.task(retry=oq.Retry(3, base="100ms"))
def word_count(text: str) -> int:
    if not text:
        raise oq.Fail("there is no text")
    return len(text.split())


def main() -> None:
    if "--worker" in sys.argv:
        app.run()
        return
    texts = ["to be or not to be", "", "that is the question"]
    handles = [word_count.enqueue_sync(text) for text in texts]
    app.drain_sync()
    for handle in handles:
        try:
            print(handle.result_sync(timeout="1m"))
        except oq.TaskFailed as e:
            print(e.view.failure.kind if e.view.failure else e.view.state)


if __name__ == "__main__":
    main()

# prints: 6
# prints: Fail
# prints: 4
