"""Many pictures, each in a process: what computes for long, or crashes, harms nobody else."""

import hashlib

import oq

app = oq.App()


@app.task(process=True, timeout="1m", retry=oq.Retry(2, base="100ms"))
def thumbnail(picture: bytes, width: int) -> bytes:
    return hashlib.sha256(picture).digest()[: width // 10]


def main() -> None:
    pictures = [bytes([n]) * 1000 for n in range(12)]
    batch = app.enqueue_many_sync(thumbnail.call(picture, width=160) for picture in pictures)
    app.drain_sync(concurrency=2)
    print(sum(len(handle.result_sync("1m")) for handle in batch))


if __name__ == "__main__":
    main()

# prints: 192
