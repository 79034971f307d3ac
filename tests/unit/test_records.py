"""Records: whatever the standard library's frozen dataclasses do in this package, these do as well."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from cardveil.core import frozen
from cardveil.settings import Settings


class Plain:
    """What is made a dataclass in both ways."""

    first: int
    second: str = "b"
    third: list[int] = frozen.field(default_factory=list)
    secret: str = frozen.field(default="s", repr=False)
    shared: ClassVar[int] = 7

    @property
    def both(self) -> str:
        return f"{self.first}{self.second}"


class Single:
    """With one attribute, and a check of it."""

    value: float

    def __post_init__(self) -> None:
        if self.value < 0:
            raise ValueError("negative")

    def __repr__(self) -> str:
        return "Single(…)"


def ours(cls: type[Any]) -> Any:
    return frozen.dataclass(frozen=True, slots=True)(cls)


def theirs(cls: type[Any]) -> Any:
    """The standard library's class of the same body."""
    given = {}
    for name, value in vars(cls).items():
        if isinstance(value, frozen._Field):
            options: dict[str, Any] = {"repr": value.repr}
            for option in ("default", "default_factory"):
                if getattr(value, option) is not frozen._MISSING:
                    options[option] = getattr(value, option)
            given[name] = dataclasses.field(**options)
        elif name not in ("__dict__", "__weakref__"):
            given[name] = value
    return dataclasses.dataclass(frozen=True, slots=True)(type(cls.__name__, (), given))


Record, Theirs = ours(Plain), theirs(Plain)
One, TheirOne = ours(Single), theirs(Single)


@frozen.dataclass(frozen=True, slots=True)
class Found:
    """A record that can be pickled: its name is its class's own."""

    first: int
    second: str


def what(call: Callable[[], Any]) -> tuple[str, str]:
    """Return what comes of a call: a value as text, or the kind of error."""
    try:
        return "value", repr(call())
    except Exception as error:  # noqa: BLE001 - the kind is compared
        return "error", type(error).__name__


@pytest.mark.parametrize(
    "action",
    [
        lambda kind: kind(1),
        lambda kind: kind(1, "x", [2], "t"),
        lambda kind: kind(first=1, third=[3]),
        lambda kind: kind(),
        lambda kind: kind(1, unknown=2),
        lambda kind: kind(1, 2, 3, 4, 5),
        lambda kind: kind(1, first=1),
        lambda kind: kind(1) == kind(1),
        lambda kind: kind(1) == kind(2),
        lambda kind: kind(1) != kind(1),
        lambda kind: kind(1) == 1,
        lambda kind: kind(1) < kind(2),
        lambda kind: hash(kind(1)),
        lambda kind: hash(kind(1, third=(1,))) == hash(kind(1, third=(1,))),
        lambda kind: len({kind(1, third=()), kind(1, third=()), kind(2, third=())}),
        lambda kind: setattr(kind(1), "first", 2),
        lambda kind: delattr(kind(1), "first"),
        lambda kind: kind(1).__dict__,
        lambda kind: kind(1).both,
        lambda kind: (kind.shared, kind(1).shared, kind.__match_args__, kind.__doc__),
        lambda kind: kind(1).third is kind(1).third,
        lambda kind: copy.copy(kind(1, "x")),
        lambda kind: copy.deepcopy(kind(1, "x")),
        lambda kind: dataclasses.replace(kind(1), second="y"),
        lambda kind: dataclasses.replace(kind(1), unknown="y"),
        lambda kind: dataclasses.asdict(kind(1)),
        lambda kind: dataclasses.astuple(kind(1)),
        lambda kind: [dataclasses.is_dataclass(each) for each in (kind, kind(1))],
        lambda kind: [(f.name, f.type, f.repr, f.init, f.compare) for f in dataclasses.fields(kind)],
        lambda kind: [f.name for f in frozen.fields(kind(1))],
        lambda kind: frozen.replace(kind(1), second="y", third=[4]),
        lambda kind: frozen.replace(kind(1), unknown="y"),
    ],
)
def test_a_record_does_what_a_dataclass_does(action: Callable[[Any], Any]) -> None:
    assert what(lambda: action(Record)) == what(lambda: action(Theirs))


@pytest.mark.parametrize(
    "action",
    [
        lambda kind: kind(-1),
        lambda kind: kind(1),
        lambda kind: kind(1) == kind(1.0),
        lambda kind: hash(kind(1)) == hash(kind(1.0)),
        lambda kind: dataclasses.replace(kind(1), value=-2),
        lambda kind: dataclasses.asdict(kind(3)),
    ],
)
def test_one_attribute_and_methods_of_its_own(action: Callable[[Any], Any]) -> None:
    assert what(lambda: action(One)) == what(lambda: action(TheirOne))


def test_another_class_of_the_same_attributes_is_not_equal() -> None:
    assert ours(Plain)(1) != Record(1)


def test_a_record_is_matched_and_pickled() -> None:
    kept = pickle.loads(pickle.dumps(Found(1, "b")))
    match kept:
        case Found(first, second):
            assert (first, second) == (1, "b")
        case _:
            pytest.fail("no match")
    with pytest.raises(dataclasses.FrozenInstanceError):
        kept.first = 2  # type: ignore[misc]


def test_a_record_takes_no_other_attribute() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match="'unknown'"):
        Record(1).unknown = 2


def test_a_record_inherits_from_no_other() -> None:
    with pytest.raises(TypeError, match="does not inherit"):
        ours(type("Heir", (Record,), {"__annotations__": {"more": "int"}}))


def test_parameters_have_names_once_there_was_an_instance() -> None:
    kind = ours(Plain)
    kind(1)
    assert list(inspect.signature(kind).parameters) == ["first", "second", "third", "secret"]


def test_what_may_be_missing_is_said_by_its_name() -> None:
    with pytest.raises(TypeError, match=r"Plain\.__init__\(\) missing 1 required .* 'first'"):
        ours(Plain)()


def test_secrets_are_not_shown() -> None:
    assert "xyzzy" not in repr(Settings(job_secrets=("xyzzy",), token_secrets=("xyzzy",)))


def test_nothing_of_the_standard_library_is_needed_for_it() -> None:
    program = (
        "import sys; from cardveil.core.frozen import *\n"
        "@dataclass(frozen=True, slots=True)\nclass A:\n    __annotations__ = {'a': 'int'}\n"
        "assert replace(A(1), a=2) == A(2) and 'dataclasses' not in sys.modules, sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
