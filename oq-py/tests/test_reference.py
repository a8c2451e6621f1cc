"""docs/reference/python.md is what the package says of itself."""

import importlib.util
import re
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
CORE = PACKAGE.parent / "oq-core/src/record/outcome.rs"


def reference():
    spec = importlib.util.spec_from_file_location("reference", PACKAGE / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_package_says():
    made = reference()
    assert made.PAGE.read_text() == made.page(), "run python oq-py/reference.py"


def test_the_page_has_every_kind_of_failure_of_the_core():
    kinds = set(re.findall(r'pub const [A-Z]+: &str = "(\w+)"', CORE.read_text()))
    assert len(kinds) > 3 and kinds <= reference().KINDS.keys()
