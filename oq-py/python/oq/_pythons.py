"""Which Pythons oq works on; the others are told so at once."""

from __future__ import annotations

import importlib
import sys


def check() -> None:
    """Raises ``ImportError`` where the private module cannot work."""
    is_gil_enabled = getattr(sys, "_is_gil_enabled", None)
    if is_gil_enabled is not None and not is_gil_enabled():
        raise ImportError(
            "oq does not work without the GIL yet: use a build of Python that has it, "
            "or start this one with PYTHON_GIL=1"
        )
    try:
        importlib.import_module("oq._oq")
    except ImportError as e:
        if "subinterpreter" in str(e):
            raise ImportError(
                "oq works in the main interpreter of a process only: use processes or threads "
                "instead of sub-interpreters"
            ) from e
        raise
