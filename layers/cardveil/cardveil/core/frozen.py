"""Frozen dataclasses that a cold start can afford: `dataclasses` compiles six methods for each class at once.

This package has over a hundred, and most processes make instances of a third. Here a class's
``__init__`` is compiled with its first instance; comparing, hashing, showing and pickling need no code
of a class's own, and `dataclasses` itself is not imported. Such a class *is* a dataclass all the same:
`dataclasses.fields`, `replace`, `asdict` and `is_dataclass` take it, and type checkers see nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, TypeVar

__all__ = ["dataclass", "field", "fields", "replace"]

_T = TypeVar("_T")
_MISSING: Final[Any] = object()
_OWN: Final = "__cardveil_fields__"


class _Field:
    """One attribute of a record: its default, whether `repr` shows it, and what else is said of it."""

    __slots__ = ("default", "default_factory", "metadata", "name", "repr")

    def __init__(self, default: Any, default_factory: Any, repr: bool, metadata: Any = None) -> None:
        self.metadata = metadata or {}
        self.name = ""
        self.default = default
        self.default_factory = default_factory
        self.repr = repr


def _field(
    *, default: Any = _MISSING, default_factory: Any = _MISSING, repr: bool = True, metadata: Any = None
) -> Any:
    """See `dataclasses.field`; what is not taken here is not used in this package."""
    return _Field(default, default_factory, repr, metadata)


def _dataclass(*, frozen: Literal[True], slots: Literal[True]) -> Callable[[type[_T]], type[_T]]:
    """See `dataclasses.dataclass`; there is only the one kind that this package uses."""
    del frozen, slots
    return _made


def _fields(record: Any) -> Any:
    """See `dataclasses.fields`."""
    own = getattr(record, _OWN, None)
    if own is not None:
        return own
    import dataclasses

    return dataclasses.fields(record)


def _replace(record: Any, /, **changes: Any) -> Any:
    """See `dataclasses.replace`."""
    for each in _fields(record):
        if each.name not in changes:
            changes[each.name] = getattr(record, each.name)
    return type(record)(**changes)


def _made(cls: type[Any]) -> type[Any]:
    """Make the class anew, with slots and methods; the way of `dataclasses` with ``slots=True``."""
    if any(hasattr(base, _OWN) for base in cls.__bases__):
        raise TypeError(f"{cls.__qualname__}: a record does not inherit from another")
    space = dict(cls.__dict__)
    own = []
    for name, annotation in space.get("__annotations__", {}).items():
        if not annotation.startswith("ClassVar["):
            default = space.pop(name, _MISSING)
            each = default if isinstance(default, _Field) else _Field(default, _MISSING, True)
            each.name = name
            own.append(each)
    names = tuple(each.name for each in own)
    # Named twice at the end, since with a single name there would be no tuple.
    values: Callable[[Any], tuple[Any, ...]] = attrgetter(*names, names[-1])

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        made.__init__ = _compiled(made)
        made.__init__(self, *args, **kwargs)

    def show(self: Any) -> str:
        shown = (f"{e.name}={v!r}" for e, v in zip(own, values(self), strict=False) if e.repr)
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def equal(self: Any, other: object) -> Any:
        return values(self) == values(other) if type(other) is type(self) else NotImplemented

    def digest(self: Any) -> int:
        return hash(values(self))

    def state(self: Any) -> tuple[Any, ...]:
        return values(self)[:-1]

    def restored(self: Any, kept: tuple[Any, ...]) -> None:
        for name, value in zip(names, kept, strict=True):
            object.__setattr__(self, name, value)

    for gone in ("__dict__", "__weakref__"):
        space.pop(gone, None)
    given = {"__repr__": show, "__eq__": equal, "__hash__": digest, "__getstate__": state,
             "__setstate__": restored}  # fmt: skip
    kind: Any = type(cls)
    made = kind(
        cls.__name__,
        cls.__bases__,
        {
            **given,
            **space,
            "__init__": init,
            "__setattr__": _refused,
            "__delattr__": _refused,
            "__slots__": names,
            "__match_args__": names,
            "__qualname__": cls.__qualname__,
            "__dataclass_fields__": _Known(),
            _OWN: tuple(own),
        },
    )
    return made  # type: ignore[no-any-return]


def _compiled(made: Any) -> Any:
    """Compile the ``__init__`` of a class, with its parameters' names and defaults."""
    parameters, body, space = ["self"], [], {"_missing": _MISSING}
    for each in getattr(made, _OWN):
        name = each.name
        # The slot's own setter: `__setattr__` refuses.
        space[f"_set_{name}"] = made.__dict__[name].__set__
        if each.default_factory is not _MISSING:
            space[f"_new_{name}"] = each.default_factory
            parameters.append(f"{name}=_missing")
            body.append(f"_set_{name}(self, _new_{name}() if {name} is _missing else {name})")
            continue
        if each.default is not _MISSING:
            space[f"_default_{name}"] = each.default
            parameters.append(f"{name}=_default_{name}")
        else:
            parameters.append(name)
        body.append(f"_set_{name}(self, {name})")
    if hasattr(made, "__post_init__"):
        body.append("self.__post_init__()")
    # Nothing but the names of attributes goes into it.
    exec(f"def __init__({', '.join(parameters)}): {'; '.join(body)}", space)  # noqa: S102
    init: Any = space["__init__"]
    init.__qualname__ = f"{made.__qualname__}.__init__"
    return init


def _refused(_self: Any, name: str, *value: Any) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot {'assign to' if value else 'delete'} field {name!r}")


class _Known:
    """Makes a record a dataclass to everybody else: its fields as the standard library describes them."""

    def __get__(self, record: Any, made: Any) -> Any:
        import dataclasses

        described = []
        for each in getattr(made, _OWN):
            given: dict[str, Any] = {"repr": each.repr, "metadata": each.metadata}
            if each.default is not _MISSING:
                given["default"] = each.default
            if each.default_factory is not _MISSING:
                given["default_factory"] = each.default_factory
            described.append((each.name, made.__annotations__[each.name], dataclasses.field(**given)))
        twin: Any = dataclasses.make_dataclass(made.__name__, described, frozen=True)
        made.__dataclass_fields__ = twin.__dataclass_fields__
        return made.__dataclass_fields__


if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import fields as fields
    from dataclasses import replace as replace
else:
    dataclass, field, fields, replace = _dataclass, _field, _fields, _replace
