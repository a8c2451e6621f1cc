"""What Lambda calls a function with: events of the services, and how much time there is."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlsplit

import oq

EVENTS = Path(__file__).parents[2] / "oq-lambda/tests/events"
TICK = json.loads((EVENTS / "eventbridge-schedule.json").read_text())
POST = json.loads((EVENTS / "url-post.json").read_text())


class Context:
    """As far as it is asked. Lambda repeats what failed under the same id."""

    def __init__(self, seconds: float, request: "str | None" = None) -> None:
        self._seconds = seconds
        self.aws_request_id = request

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


MINUTE = Context(60)


def told(url: str, *handles: "oq.Handle[Any]") -> "dict[str, Any]":
    """S3's notification of these tasks' objects; its keys are encoded."""
    parts = urlsplit(url)
    bucket, prefix = ("any", "") if parts.scheme != "s3" else (parts.netloc, parts.path[1:] + "/")
    records = []
    for handle in handles:
        id = handle.id.partition(".")[0]
        key = f"{prefix}{handle.queue}/live/{id[24:]}/{id[21]}/{id}"
        s3 = {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/")}}
        records.append({"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3})
    return {"Records": records}
