"""A folder of pictures made small, each in a process: what computes for long, or crashes, harms
nobody else. The tasks are enqueued packed, a few objects for all of them."""

import tempfile
from pathlib import Path

import oq
from PIL import Image

app = oq.App()


@app.task(process=True, timeout="1m", retry=oq.Retry(2, base="100ms", never=[OSError]))
def shrink(picture: Path, into: Path, width: int) -> tuple[int, int]:
    with Image.open(picture) as image:
        image.thumbnail((width, width))
        image.save(into / picture.name)
        return image.size


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        into = folder / "small"
        into.mkdir()
        for n in range(12):
            Image.new("RGB", (640, 400 + 20 * n), (20 * n, 80, 160)).save(folder / f"{n:02}.png")
        (folder / "broken.png").write_text("no picture")

        pictures = sorted(folder.glob("*.png"))
        batch = app.enqueue_many_sync(shrink.call(p, into, width=160) for p in pictures)
        app.drain_sync(concurrency=2)
        for picture, handle in zip(pictures, batch):
            view = handle.wait_sync("1m")
            if view.failure:
                print(picture.name, view.failure.kind)
        print(len(list(into.iterdir())), "small ones, the last", batch[11].result_sync())


if __name__ == "__main__":
    main()

# prints: broken.png UnidentifiedImageError
# prints: 12 small ones, the last (160, 155)
