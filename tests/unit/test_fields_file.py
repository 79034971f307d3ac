"""Polygons of the user's own: what is no such file is told, with its place."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from cardveil_cli.commands.fields_file import FieldsFile, read_fields

BOX = [[1, 1], [50, 1], [50, 50], [1, 50]]
ENTRY = {"name": "x", "polygon": BOX}


def read(folder: Path, data: bytes | Any) -> FieldsFile:
    file = folder / "fields.json"
    file.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode("ascii"))
    return read_fields(file)


def replaced(value: str) -> bytes:
    """Return a file in which the first coordinate is this text."""
    return json.dumps([ENTRY]).replace("1", value, 1).encode()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_every_encoding_of_json_is_read(tmp_path: Path, encoding: str) -> None:
    document = json.dumps([{"name": "姓名", "polygon": BOX}], ensure_ascii=False)
    (region,) = read(tmp_path, document.encode(encoding)).regions
    assert (region.field, region.polygon.as_lists()) == ("姓名", BOX)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "line 1, column 1"),
        (b"\xff\xfe\xff", "--fields"),
        (b"\xd0\xd5\xc3\xfb", "no text"),
        (b'[{"name":\n "x",}]', "line 2"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"fields":' * 100_000, "nested too deeply"),
        (b"[" + b"9" * 10_000 + b"]", "too many digits"),
        (replaced("9" * 400), "entry 1, point 1: x"),
        (replaced("-" + "9" * 400), "entry 1, point 1: x"),
        (replaced("1e400"), "entry 1, point 1: x"),
        (replaced("NaN"), "NaN"),
        (replaced("-Infinity"), "-Infinity"),
        (replaced("true"), "entry 1, point 1: x"),
        (replaced("null"), "entry 1, point 1: x"),
        (replaced('"1"'), "entry 1, point 1: x"),
        (replaced("10000001"), "entry 1, point 1: x"),
        (rb'[{"name":"\ud800","polygon":[[1,1],[50,1],[50,50],[1,50]]}]', "surrogate"),
        (b'[{"name":"\xed\xa0\x80","polygon":[[1,1],[50,1],[50,50],[1,50]]}]', "--fields"),
        (rb'{"fields":[],"\ud800":1}', "a name in it"),
        ([], "at least one"),
        ({}, "at least one"),
        ("x", "at least one"),
        (None, "at least one"),
        ({"fields": [ENTRY], "widht": 5}, "widht"),
        ([ENTRY, 5], "entry 2"),
        ([ENTRY, {"name": "x"}], "entry 2"),
        ([{**ENTRY, "name": 5}], "its name"),
        ([{**ENTRY, "name": " "}], "its name"),
        ([{**ENTRY, "polygon": BOX[:3]}], "four points"),
        ([{**ENTRY, "polygon": {"a": 1}}], "four points"),
        ([{**ENTRY, "polygon": [*BOX[:3], [1, 2, 3]]}], "point 4"),
        ([{**ENTRY, "polygon": [*BOX[:3], "ab"]}], "point 4"),
        ({"fields": [ENTRY], "width": "5"}, "width"),
        ({"fields": [ENTRY], "width": 5.5}, "width"),
        ({"fields": [ENTRY], "height": True}, "height"),
        ({"fields": [ENTRY], "height": 0}, "height"),
        ([ENTRY, {**ENTRY, "height": -3}], "entry 2: height"),
        ([{**ENTRY, "width": 5}, {**ENTRY, "width": 6}], "different sizes"),
    ],
)
def test_what_is_no_such_file_is_told_with_its_place(tmp_path: Path, data: Any, said: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        read(tmp_path, data)
    assert caught.value.message.startswith("--fields: ")
    assert said in caught.value.message
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    "data",
    [
        {"width": 100, "height": 60, "fields": [ENTRY]},
        {"width": 100, "fields": [ENTRY]},
        {"fields": [{**ENTRY, "height": 60}]},
        [{**ENTRY, "width": 100, "height": 60}, {**ENTRY, "score": 0.5}],
    ],
)
def test_the_frame_may_be_named_and_must_be_the_pictures(tmp_path: Path, data: Any) -> None:
    fields = read(tmp_path, data)
    fields.check_frame(100, 60)
    with pytest.raises(click.UsageError, match=r"60×100.*upright"):
        fields.check_frame(60, 100)


def test_a_file_without_end_is_refused() -> None:
    with pytest.raises(click.UsageError, match="16 MB"):
        read_fields(Path("/dev/zero"))


#: What a document may have where another value is wanted.
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 10**400, 1.5, -1e300, "", "x", "\ud800", [], [[]], {}, {"name": 1}, [1, 2, 3], BOX,
)  # fmt: skip
WHOLE = {"width": 100, "height": 60, "fields": [{**ENTRY, "width": 100}, ENTRY]}


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inner:
        yield from places(value, (*path, key))


def changed(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(node) if isinstance(node, dict) else list(node)
    copy[path[0]] = changed(node[path[0]], path[1:], value)
    return copy


@pytest.mark.parametrize("path", list(places(WHOLE)), ids=str)
def test_an_odd_value_in_any_place_is_read_or_refused(tmp_path: Path, path: tuple[Any, ...]) -> None:
    refusals = []
    for value in ODD:
        try:
            fields = read(tmp_path, changed(WHOLE, path, value))
        except click.UsageError as refusal:
            refusals.append(refusal.message)
        else:
            assert len(fields.regions) == 2
            assert all(-1e7 <= v <= 1e7 for r in fields.regions for p in r.polygon.points for v in p)
    assert refusals
    assert all(message.startswith("--fields: ") for message in refusals)


def test_any_bytes_are_refused(tmp_path: Path) -> None:
    source = random.Random(5)
    for _ in range(500):
        with pytest.raises(click.UsageError):
            read(tmp_path, source.randbytes(source.randrange(40)))
