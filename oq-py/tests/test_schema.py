"""Arguments and results: what goes through JSON and back by annotation, and what is refused."""

from __future__ import annotations

import collections.abc as abc
import dataclasses
import datetime as dt
import decimal
import enum
import json
import pathlib
import sys
import uuid
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, TypedDict, TypeVar, Union

import oq
import pydantic
import pytest
from oq._schema import Schema


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    S = 1
    L = 2


class Odd(enum.Enum):
    A = (1, 2)


class Flags(enum.Flag):
    X = 1
    Y = 2


@dataclasses.dataclass
class Item:
    price: decimal.Decimal
    tags: set[str] = dataclasses.field(default_factory=set)


@dataclasses.dataclass(frozen=True)
class Order:
    id: uuid.UUID
    items: list[Item]
    parent: Optional[Order] = None


@dataclasses.dataclass
class Checked:
    n: int

    def __post_init__(self) -> None:
        if self.n < 0:
            raise ValueError("n is negative")


class Point(NamedTuple):
    x: float
    y: float = 0.0


class Options(TypedDict, total=False):
    when: dt.date


class Person(pydantic.BaseModel):
    name: str
    born: dt.date
    age: int = pydantic.Field(ge=0)


UserId = NewType("UserId", int)
T = TypeVar("T")
ORDER = Order(uuid.UUID(int=7), [Item(decimal.Decimal("1.10"), {"a"})], Order(uuid.UUID(int=8), []))
UTC = dt.timezone.utc


def of(annotation: Any) -> Schema:
    def function(value):
        return value

    function.__annotations__ = {"value": annotation, "return": annotation}
    return Schema(function, "f")


@pytest.mark.parametrize(
    "annotation, value, text",
    [
        (int, 2**70, str(2**70)),
        (float, 1.5, "1.5"),
        (float, 1, "1"),
        (bool, True, "true"),
        (str, "ä\0", '"ä\\u0000"'),
        (type(None), None, "null"),
        (bytes, b"\x00\xff", '"AP8="'),
        (decimal.Decimal, decimal.Decimal("0.10"), '"0.10"'),
        (uuid.UUID, uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (
            dt.datetime,
            dt.datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
            '"2026-01-02T03:04:05.000006+00:00"',
        ),
        (dt.date, dt.date(2026, 1, 2), '"2026-01-02"'),
        (dt.time, dt.time(3, 4), '"03:04:00"'),
        (dt.timedelta, dt.timedelta(days=1, microseconds=1), "86400.000001"),
        (pathlib.Path, pathlib.Path("a/b"), '"a/b"'),
        (Colour, Colour.RED, '"red"'),
        (Size, Size.L, "2"),
        (Odd, Odd.A, '"A"'),
        (Flags, Flags.X | Flags.Y, "3"),
        (Literal["a", 1], 1, "1"),
        (list[int], [1, 2], "[1,2]"),
        (set[str], {"a"}, '["a"]'),
        (frozenset[int], frozenset({1}), "[1]"),
        (tuple[int, str], (1, "a"), '[1,"a"]'),
        (tuple[int, ...], (1, 2, 3), "[1,2,3]"),
        (tuple[()], (), "[]"),
        (abc.Sequence[bytes], [b"a"], '["YQ=="]'),
        (dict[str, int], {"a": 1}, '{"a":1}'),
        (dict[int, str], {1: "a"}, '{"1":"a"}'),
        (dict[uuid.UUID, None], {uuid.UUID(int=1): None}, None),
        (abc.Mapping[Colour, int], {Colour.RED: 1}, '{"red":1}'),
        (Optional[int], None, "null"),
        (Union[int, str, None], "a", '"a"'),
        (int | list[int], [1], "[1]"),
        (Annotated[int, "positive"], 1, "1"),
        (UserId, 3, "3"),
        (T, {"a": [None]}, '{"a":[null]}'),
        (Any, [1, {"a": "b"}], '[1,{"a":"b"}]'),
        (Order, ORDER, None),
        (Checked, Checked(1), '{"n":1}'),
        (Point, Point(1.0, 2.0), '{"x":1.0,"y":2.0}'),
        (Options, {"when": dt.date(2026, 1, 2)}, '{"when":"2026-01-02"}'),
        (Options, {}, "{}"),
        (Person, Person(name="a", born=dt.date(2000, 1, 1), age=3), None),
        (Optional[Person], None, "null"),
        (list[Person], [Person(name="a", born=dt.date(2000, 1, 1), age=3)], None),
    ],
)
def test_values_go_through_json_and_back(annotation, value, text):
    schema = of(annotation)
    written = schema.encode((value,), {})
    if text is not None:
        assert written == f'{{"value":{text}}}'
    _, kwargs = schema.decode(written)
    assert kwargs["value"] == value
    assert type(kwargs["value"]) is type(value) or annotation is float
    assert schema.decode_result(json.loads(schema.encode_result(value))) == value


DEEP: list[Any] = []
for _ in range(200):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "annotation, value, says",
    [
        (int, "1", "value: expected int, got str '1'"),
        (int, 1.0, "value: expected int, got float 1.0"),
        (str, b"a", "value: expected str, got bytes"),
        (str, None, "value: expected str, got None"),
        (str, "\ud800", "no JSON form"),
        (bool, 1, "value: expected bool"),
        (float, float("nan"), "value: nan is no JSON number"),
        (float, float("inf"), "value: inf is no JSON number"),
        (decimal.Decimal, decimal.Decimal("NaN"), "value: NaN is no number"),
        (decimal.Decimal, 1.1, "value: expected Decimal, got float 1.1"),
        (bytes, "a", "value: expected bytes"),
        (dt.date, dt.datetime(2026, 1, 1), "value: expected date"),
        (dt.datetime, dt.date(2026, 1, 1), "value: expected datetime"),
        (Colour, "red", "value: expected Colour, got str 'red'"),
        (Literal["a"], "b", "value: expected one of 'a'"),
        (list[int], (1,), "value: expected list"),
        (list[int], [1, "b"], "value[1]: expected int"),
        (list[str], "ab", "value: expected list"),
        (abc.Sequence[str], "ab", "value: expected sequence"),
        (tuple[int, str], (1,), "value: expected 2 items, got 1"),
        (dict[str, list[int]], {"a": [1, None]}, "value['a'][1]: expected int, got None"),
        (dict[str, int], {1: 1}, "value[1]: expected str"),
        (Union[int, str], 1.5, "value: expected"),
        (Order, Order(uuid.UUID(int=1), [Item(1)]), "value.items[0].price: expected Decimal"),
        (Order, {"id": 1}, "value: expected Order, got dict"),
        (Options, {"when": "now"}, "value.when: expected date"),
        (Options, {"where": 1}, "value: Options has no 'where'"),
        (Person, {"name": "a"}, "value.born: Field required"),
        (Any, {"a": [object()]}, "value['a'][0]: object is not JSON by itself"),
        (Any, {1: 2}, "value[1]: its keys are int"),
        (Any, [dt.date(2026, 1, 1)], "value[0]: date is not JSON by itself"),
        (Any, [float("nan")], "value[0]: nan is no JSON number"),
        (Any, DEEP, "nested deeper than 100"),
        pytest.param(int, 10**400, "value: an integer of 1329 bits is no number", id="long"),
        pytest.param(float, 10**400, "value: an integer of 1329 bits", id="long for a float"),
        pytest.param(Any, [10**5000], "value[0]: an integer of 16610 bits", id="longer"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(annotation, value, says):
    with pytest.raises(oq.Invalid) as raised:
        of(annotation).encode((value,), {})
    assert says in str(raised.value)
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize(
    "annotation, text, says",
    [
        (int, "true", "value: expected int"),
        (uuid.UUID, '"x"', "value: 'x' is no UUID"),
        (decimal.Decimal, '"x"', "value: 'x' is no Decimal"),
        (bytes, '"*"', "value: '*' is no bytes"),
        (dt.datetime, '"soon"', "value: 'soon' is no datetime"),
        (dt.timedelta, "1e300", "value: 1e+300 s are too many"),
        (Colour, '"green"', "value: 'green' is no Colour"),
        (Odd, "[1]", "value: [1] is no Odd"),
        (dict[int, int], '{"a": 1}', "value['a']: 'a' is no int"),
        (Item, "{}", "value: 'price' is missing"),
        (Item, '{"price": "1", "x": 1}', "value: Item has no 'x'"),
        (Checked, '{"n": -1}', "value: it is no Checked: n is negative"),
        (Person, '{"name": "a", "born": "2000-01-01", "age": -1}', "value.age: Input should be"),
    ],
)
def test_what_others_wrote_is_checked_as_well(annotation, text, says):
    with pytest.raises(oq.Invalid) as raised:
        of(annotation).decode(f'{{"value": {text}}}')
    assert says in str(raised.value)


@pytest.mark.parametrize(
    "annotation, says",
    [
        (complex, "complex has no JSON form"),
        (Schema, "Schema has no JSON form"),
        (abc.Callable[[], None], "has no JSON form"),
        (Union[str, uuid.UUID], "look alike in JSON"),
        (Union[Item, Checked], "look alike in JSON"),
        (dict[Item, int], "cannot be the key"),
        ("Nowhere", "its annotations cannot be read"),
    ],
)
def test_annotations_without_json_are_refused_where_they_stand(annotation, says):
    with pytest.raises(oq.Invalid, match=says):
        of(annotation)


def test_parameters_of_every_kind():
    def function(a: int, /, b: int, *c: int, d: int = 4, **e: bytes) -> None: ...

    schema = Schema(function, "f")
    text = schema.encode((1, 2, 3), {"d": 5, "x": b"y"})
    assert json.loads(text) == {"a": 1, "b": 2, "c": [3], "d": 5, "e": {"x": "eQ=="}}
    assert schema.decode(text) == ([1, 2, 3], {"d": 5, "x": b"y"})
    assert schema.decode('{"a": 1, "b": 2}') == ([1], {"b": 2})
    for args, kwargs, says in [
        ((1,), {}, "b: it is missing"),
        ((1, 2), {"b": 3}, "b: it is given twice"),
        ((1, 2, "x"), {}, r"c\[0\]: expected int"),
        ((1, 2), {"z": 1}, "z: expected bytes"),
    ]:
        with pytest.raises(oq.Invalid, match=says):
            schema.encode(args, kwargs)

    plain = Schema(lambda x: x, "g")
    with pytest.raises(oq.Invalid, match="takes 1 positional arguments, got 2"):
        plain.encode((1, 2), {})


def test_a_class_may_be_defined_below_its_task(memory_app):
    @memory_app.task()
    def later(value: Later) -> None: ...

    with pytest.raises(oq.Invalid, match="cannot be read"):
        later.call(1)
    globals()["Later"] = int
    try:
        assert later.call(1).input == '{"value":1}'
    finally:
        del globals()["Later"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="a statement of Python 3.12")
def test_type_statements_are_looked_through():
    scope: dict[str, Any] = {}
    exec("type Ids = list[int]", scope)
    assert of(scope["Ids"]).encode(([1],), {}) == '{"value":[1]}'
