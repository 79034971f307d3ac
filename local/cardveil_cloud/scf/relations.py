"""What must agree in a multi-scf file: names, folders, settings of all functions, triggers and prefixes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import yaml

from cardveil.settings import PREFIX, Settings, problems, table, variable
from cardveil_cloud.scf.deployment import LAYER_LIMIT
from cardveil_cloud.scf.shapes import OPEN, Found, get

#: What one function may have and others not. All else must be the same everywhere: a policy that one function
#: does not know is a copy with less covered.
_OF_ONE_FUNCTION: Final = frozenset({variable("bucket"), variable("token_secrets")})
#: The entries of a function's environment by their keys: line and value.
Environment = dict[str, tuple[int, str]]


def disagreements(root: yaml.Node, folder: Path) -> Found:
    """Yield what no shape can say, of a file whose shape is right."""
    inputs = get(root, "inputs")
    functions = get(inputs, "functions")
    keys = {str(key.value) for key, _ in functions.value}
    yield from _layers(inputs, "inputs")
    shared = get(inputs, "environments")
    if shared is not None and any(get(function, "environments") for _, function in functions.value):
        expected = "a function's own list replaces this one: write all in each function"
        yield shared.start_mark.line, "inputs.environments", expected
    src = get(get(inputs, "src"), "src")
    sources = (folder / src.value).resolve()
    named = {(sources / get(function, "src").value).resolve() for _, function in functions.value}
    if other := sorted(each.name for each in _entries(sources) if each not in named):
        expected = f"all of this folder is uploaded, and {other[0]} is no function: keep only functions in it"
        yield src.start_mark.line, "inputs.src.src", expected
    for key, function in functions.value:
        place = f"inputs.functions.{key.value}"
        source = get(function, "src")
        handler = get(function, "handler") or get(inputs, "handler")
        if handler is None:
            yield key.start_mark.line, f"{place}.handler", "it is missing"
        elif not (sources / source.value / f"{handler.value.rpartition('.')[0]}.py").is_file():
            yield source.start_mark.line, f"{place}.src", "the entry file that the handler names is not there"
        yield from _layers(function, place)
    yield from _settings(inputs, functions)
    triggers = get(inputs, "triggers")
    for index, trigger in enumerate(triggers.value if triggers else ()):
        place = f"inputs.triggers[{index}]"
        target = get(trigger, "function")
        if target.value not in keys:
            yield target.start_mark.line, f"{place}.function", "there is no function of that key"
        elif get(trigger, "type").value == "cos":
            yield from _prefix(trigger, _environment(inputs, get(functions, target.value)), place)


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [each.resolve() for each in folder.iterdir() if each.name != "__pycache__"]


def _layers(node: yaml.Node, place: str) -> Found:
    layers = get(node, "layers")
    if layers is not None and len(layers.value) > LAYER_LIMIT:
        yield layers.start_mark.line, f"{place}.layers", f"at most {LAYER_LIMIT} a function"


def _environment(inputs: yaml.Node, function: yaml.Node) -> Environment:
    entries = get(function, "environments") or get(inputs, "environments")
    return {
        get(entry, "key").value: (get(entry, "key").start_mark.line, get(entry, "value").value)
        for entry in (entries.value if entries else ())
    }


def _settings(inputs: yaml.Node, functions: yaml.Node) -> Found:
    """Settings that do not exist, that have a wrong value, and that functions do not agree on."""
    found = {key.value: _environment(inputs, function) for key, function in functions.value}
    known = table()
    everywhere = {
        name: (line, value)
        for environment in found.values()
        for name, (line, value) in environment.items()
        if name in known and name not in _OF_ONE_FUNCTION
    }
    told: set[tuple[int, str]] = set()
    for key, function in functions.value:
        place = f"inputs.functions.{key.value}.environments"
        own = found[key.value]
        given = {name: value for name, (_, value) in own.items() if not OPEN.search(value)}
        for name, error in problems(given).items():
            if name in own and name not in given:
                continue  # its value is a variable's: whether it agrees is seen when it is deployed
            line = own[name][0] if name in own else key.start_mark.line
            # An entry that is repeated by its name is told once, where it stands.
            if (line, name) not in told:
                told.add((line, name))
                yield line, f"{place}.{name}", error.what_to_do
        for name, (_, value) in everywhere.items():
            line = own[name][0] if name in own else (get(function, "environments") or key).start_mark.line
            if name not in own:
                yield line, f"{place}.{name}", "other functions have it: give all functions the same"
            elif own[name][1] != value:
                yield line, f"{place}.{name}", "other functions have another value: give all the same"


def _prefix(trigger: yaml.Node, environment: Environment, place: str) -> Found:
    """A trigger whose events the function would pass over."""
    if not any(name.startswith(PREFIX) for name in environment):
        return
    inbox = environment.get(variable("inbox_prefix"), (0, Settings().inbox_prefix))[1]
    rule = get(get(trigger, "parameters"), "filter")
    prefix = get(rule, "prefix") if rule is not None else None
    if not (prefix.value if prefix is not None else "").startswith(inbox):
        line = (prefix or trigger).start_mark.line
        yield line, f"{place}.parameters.filter.prefix", f"begin it with {variable('inbox_prefix')}"
