"""The wheel as a stranger gets it: built from the sources, installed beside Pillow alone, put to work."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import __version__ as pillow_version
from tests.support.cloud_fixture import ROOT, kept

#: Needs nothing but the wheel and Pillow; says what its import took and brought.
PROGRAM = """
import json, sys, time
before = set(sys.modules)
start = time.perf_counter()
from cardveil import inspect, load_policy, redact
named = time.perf_counter()
picture = inspect(sys.argv[1])
imported = time.perf_counter()
boxes = json.loads(sys.argv[2])
done = redact(sys.argv[1], boxes, policy=load_policy("strict"))
assert done.copy is not None, done.findings
open(sys.argv[3], "wb").write(done.copy.data)
strangers = {name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)
print(json.dumps({"import_ms": round((imported - start) * 1000, 1), "packages": sorted(strangers),
                  "regions": len(done.regions), "path": done.copy.path,
                  "size": [picture.width, picture.height]}))
"""


def run(*command: str | Path, **options: object) -> str:
    """Run a command that must succeed; return what it printed."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, timeout=120, **options
    )  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr[-3000:]
    return str(done.stdout)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of what belongs to it, by way of the source archive as `build` does."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, copy / name)
    for folder in ("layers/cardveil/cardveil", "local"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "pictures")
        shutil.copytree(ROOT / folder, copy / folder, ignore=ignored)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", copy / "dist", copy)
    (found,) = (copy / "dist").glob("*.whl")
    return found


def test_the_wheel_holds_the_package_and_its_data_and_nothing_else(wheel: Path) -> None:
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    package = ROOT / "layers" / "cardveil"
    there = [path for path in (package / "cardveil").rglob("*") if path.is_file()]
    assert sorted(names) == sorted(
        str(path.relative_to(package)) for path in there if "__pycache__" not in path.parts
    )
    assert "cardveil/redaction/policies/strict.json" in names
    assert "cardveil/py.typed" in names


def test_in_an_empty_environment_it_redacts_a_picture_from_polygons(
    wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "fresh")
    python = tmp_path / "fresh" / "bin" / "python"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps"]
    run(*pip, "--no-index", wheel)
    site = run(python, "-c", "import site; print(site.getsitepackages()[0])").strip()
    # Pillow as it is installed here: a test does not wait for a package index.
    from PIL import Image

    folder = Path(Image.__file__).parent
    (Path(site) / "PIL").symlink_to(folder)
    (Path(site) / "pillow.libs").symlink_to(folder.parent / "pillow.libs")
    source, target = tmp_path / "card.jpg", tmp_path / "copy.jpg"
    source.write_bytes(kept("id-front-flat.jpg"))
    boxes = [[[100, 100], [300, 100], [300, 160], [100, 160]]]
    printed = run(python, "-I", "-c", PROGRAM, source, json.dumps(boxes), target, cwd=tmp_path)
    told = json.loads(printed)
    with capsys.disabled():
        print(f"\nthe wheel, Pillow {pillow_version}: {printed.strip()}")  # noqa: T201 - what the test is asked for
    assert told["packages"] == ["PIL", "cardveil"]
    assert told["regions"] == 1
    with Image.open(target) as seen:
        assert list(seen.size) == told["size"]
        grey = seen.convert("L")
        assert max(grey.getpixel((x, y)) for x in range(100, 300, 7) for y in range(100, 160, 7)) <= 2
    assert run(python, "-I", "-m", "compileall", "-q", site + "/cardveil") == ""


def test_both_projects_have_one_version() -> None:
    texts = [(ROOT / place / "pyproject.toml").read_text("utf-8") for place in (".", "local")]
    versions = [
        line.partition('"')[2].rstrip('"')
        for text in texts
        for line in text.splitlines()
        if line.startswith("version = ")
    ]
    assert versions[0] == versions[1]
    assert f'"cardveil[local]=={versions[0]}"' in texts[1]
