"""JSON that every reader takes: no NaN, no lone surrogates, no objects in disguise."""

from __future__ import annotations

import json
from typing import Any

from .errors import Invalid

_encoder = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def dumps(value: Any, what: str) -> str:
    """The JSON of a value, or ``Invalid`` naming ``what``."""
    try:
        text = _encoder.encode(value)
        if not text.isascii():
            text.encode()  # lone surrogates have no UTF-8
    except (TypeError, ValueError, RecursionError) as e:
        raise Invalid(f"{what}: it has no JSON form: {e}") from e
    return text
