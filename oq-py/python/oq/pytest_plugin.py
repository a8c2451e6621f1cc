"""The fixture ``oq_test``; see ``oq.testing``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ._app import App
    from .testing import Harness


@pytest.fixture
def oq_app() -> App:
    """The app under test: define a fixture of this name that returns yours."""
    raise pytest.UsageError(
        "oq_test does not know which app to test: define a fixture oq_app that returns it"
    )


@pytest.fixture
def oq_test(oq_app: App) -> Iterator[Harness]:
    """The app on a store of its own, with a clock to move."""
    from .testing import Harness

    with Harness(oq_app) as harness:
        yield harness
