"""What was deployed: functions with versions, aliases and triggers, and layers; kept in one file."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from cardveil_cloud import files
from cardveil_cloud.tencent_api.errors import ApiError
from cardveil_cloud.tencent_api.scf import triggers

LATEST: Final = "$LATEST"
DEFAULT: Final = "$DEFAULT"
#: Every function has this alias, and it means the latest code until it is pointed elsewhere.
_UNTOUCHED: Final = {"FunctionVersion": LATEST, "Description": ""}


@dataclass(slots=True)
class LayerVersion:
    """One published version of a layer; `code` is the SHA-256 of its zip."""

    version: int
    code: str
    description: str = ""
    runtimes: list[str] = field(default_factory=list)
    licence: str = ""
    added: str = ""


@dataclass(slots=True)
class Function:
    """A function: its configuration by version, and what points at versions.

    Attributes
    ----------
    versions
        Configuration by version, ``$LATEST`` among them; ``Code`` is the SHA-256 of the zip.
    aliases
        Name to version and description.
    triggers
        In the form that ListTriggers gives.
    changing
        How many more looks at it find it still changing: on the platform a change takes some seconds.
    """

    name: str
    versions: dict[str, dict[str, Any]]
    aliases: dict[str, dict[str, str]] = field(default_factory=lambda: {DEFAULT: dict(_UNTOUCHED)})
    triggers: list[dict[str, Any]] = field(default_factory=list)
    reserved: int | None = None
    added: str = ""
    changing: int = 0

    def resolve(self, qualifier: str) -> str:
        """Return the version that a qualifier means; `ApiError` if there is none."""
        if qualifier in self.versions:
            return qualifier
        if qualifier in self.aliases:
            return self.aliases[qualifier]["FunctionVersion"]
        raise ApiError("ResourceNotFound.FunctionVersion", "The function has no such version or alias.")


class Records:
    """Everything that was deployed to one local cloud.

    Attributes
    ----------
    notices : list of str
        What was found at the start and has to be told.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.functions: dict[str, Function] = {}
        self.layers: dict[str, list[LayerVersion]] = {}
        self.notices: list[str] = []
        if self._path.exists():
            try:
                self._read(json.loads(self._path.read_bytes()))
            except (ValueError, KeyError, TypeError, AttributeError):
                aside = files.set_aside(self._path)
                self.notices.append(f"what was deployed could not be read: {aside.name} is kept")

    def snapshot(self) -> tuple[dict[str, Function], dict[str, list[LayerVersion]]]:
        """Return a copy of everything, for `go_back`."""
        return copy.deepcopy((self.functions, self.layers))

    def go_back(self, to: tuple[dict[str, Function], dict[str, list[LayerVersion]]]) -> None:
        """Take everything back that was changed since a `snapshot`."""
        self.functions, self.layers = to

    def _read(self, kept: dict[str, Any]) -> None:
        functions = {name: Function(**each) for name, each in kept["functions"].items()}
        for function in functions.values():
            for trigger in list(function.triggers):
                try:
                    triggers.read(trigger["Type"], trigger["TriggerDesc"])
                except ApiError:
                    function.triggers.remove(trigger)
                    self.notices.append(f"a trigger of function {function.name} is none, and was taken away")
        layers = {name: [LayerVersion(**each) for each in found] for name, found in kept["layers"].items()}
        self.functions, self.layers = functions, layers

    def save(self) -> None:
        """Write everything; a crash leaves the file as it was before, or as it is after."""
        files.make_folder(self._folder)
        document = {
            "functions": {name: asdict(each) for name, each in self.functions.items()},
            "layers": {name: [asdict(each) for each in versions] for name, versions in self.layers.items()},
        }
        files.write(self._path, json.dumps(document, ensure_ascii=False, indent=1).encode())

    def function(self, name: str) -> Function:
        """Return a function; `ApiError` if there is none of that name."""
        if name not in self.functions:
            raise ApiError("ResourceNotFound.Function", "The function does not exist.")
        return self.functions[name]

    def layer(self, name: str, version: int) -> LayerVersion:
        """Return a layer's version; `ApiError` if there is none."""
        for each in self.layers.get(name, []):
            if each.version == version:
                return each
        raise ApiError("ResourceNotFound.LayerVersion", "The layer has no such version.")

    @property
    def _path(self) -> Path:
        return self._folder / "deployed.json"
