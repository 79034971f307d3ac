"""`cardveil redact` and the user's files: what it did not write, it neither changes nor removes."""

from __future__ import annotations

import hashlib
import json
import os
import random
import stat
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.cloud_fixture import kept
from tests.support.command import Ended, InProcess, TruthRecogniser

from cardveil_cli.files.manifest import FILE_NAME as MANIFEST

FRONT = kept("id-front-flat.jpg")
BACK = kept("id-back-flat.png")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> InProcess:
    monkeypatch.chdir(tmp_path)
    return InProcess(monkeypatch)


def files(folder: Path) -> dict[str, str]:
    """Return the digest of every file and the goal of every link below a folder, by relative path."""
    found = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            link = path.is_symlink()
            facts = str(path.readlink()) if link else hashlib.sha256(path.read_bytes()).hexdigest()
            found[os.path.relpath(path, folder)] = facts
    return found


def names(folder: Path) -> list[str]:
    return sorted(name for name in files(folder) if name != MANIFEST)


def write(path: Path, data: bytes = FRONT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def statuses(ended: Ended) -> dict[str, tuple[str, ...]]:
    lines = [line.split("\t") for line in ended.out.splitlines()]
    return {line[1]: (line[0], line[4].split(" ")[0]) for line in lines}


def test_files_of_others_stay(run: InProcess) -> None:
    write(Path("out/a.redacted.psd"), b"mine")
    write(Path("out/a.redacted.notes.txt"), b"mine")
    assert run("redact", write(Path("a.jpg")), "--out", "out").code == 0
    assert names(Path("out")) == ["a.json", "a.redacted.jpg", "a.redacted.notes.txt", "a.redacted.psd"]


@pytest.mark.parametrize("force", [False, True])
def test_a_file_of_the_results_name_is_a_conflict(run: InProcess, force: bool) -> None:
    """Alone it is refused; with `--force` it is written over, but never a source."""
    write(Path("a.jpg"))
    write(Path("a.redacted.jpg"))
    write(Path("a.json"), b'{"shapes": []}')
    before = files(Path())
    ended = run("redact", "a.jpg", "--out", ".", *["--force"] * force)
    assert ended.code == (0 if force else 2)
    changed = {name for name, digest in files(Path()).items() if before.get(name) != digest}
    assert changed == ({MANIFEST, "a.json", "a.redacted.jpg"} if force else set())
    assert force or "file_not_ours" in ended.out


def test_force_never_writes_over_a_source(run: InProcess) -> None:
    write(Path("a.jpg"))
    write(Path("a.redacted.jpg"), kept("id-front-photo.jpg"))
    before = files(Path())
    ended = run("redact", ".", "--out", ".", "--force")
    assert ended.code == 3
    assert statuses(ended)["a.jpg"] == ("conflict", "source_in_the_way")
    assert {name: files(Path())[name] for name in before} == before


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_source_behind_a_link_in_the_way_is_safe(run: InProcess, link: Callable[[str, str], None]) -> None:
    write(Path("in/a.jpg"))
    write(Path("in/b.jpg"))
    Path("out").mkdir()
    link(str(Path("in/b.jpg").resolve()), "out/a.json")
    ended = run("redact", "in", "--out", "out", "--force")
    assert ended.code == 3
    assert statuses(ended)["in/a.jpg"][1] == "source_in_the_way"
    assert Path("in/b.jpg").read_bytes() == FRONT


def test_a_link_in_out_does_not_lead_results_elsewhere(run: InProcess) -> None:
    write(Path("in/deep/a.jpg"))
    write(Path("elsewhere/a.json"), b"mine")
    Path("out").mkdir()
    Path("out/deep").symlink_to(Path("elsewhere").resolve())
    ended = run("redact", "in", "--out", "out", "--force")
    assert ended.code == 2
    assert "link_leads_outside" in ended.out
    assert files(Path("elsewhere")) == {"a.json": hashlib.sha256(b"mine").hexdigest()}


def test_a_folder_of_the_results_name_is_a_conflict(run: InProcess) -> None:
    write(Path("out/a.json/inside.txt"), b"mine")
    ended = run("redact", write(Path("a.jpg")), write(Path("b.jpg")), "--out", "out", "--force")
    assert (ended.code, statuses(ended)["a.jpg"]) == (3, ("conflict", "folder_in_the_way"))
    assert Path("out/a.json/inside.txt").read_bytes() == b"mine"


def test_results_of_another_source_stay(run: InProcess) -> None:
    write(Path("in/a.jpg"))
    write(Path("in/a.redacted.jpg"))
    assert run("redact", "in", "--out", "out").code == 0
    before = files(Path("out"))
    assert run("redact", "in/a.jpg", "--out", "out", "--again").code == 0
    assert names(Path("out")) == ["a.json", "a.redacted.jpg", "a.redacted.json", "a.redacted.redacted.jpg"]
    for name in ("a.redacted.json", "a.redacted.redacted.jpg"):
        assert files(Path("out"))[name] == before[name]


def test_a_result_that_its_user_changed_is_no_longer_ours(run: InProcess) -> None:
    run("redact", write(Path("a.jpg")), "--out", "out")
    write(Path("out/a.json"), b'{"corrected": true}')
    write(Path("a.jpg"), kept("licence-flat.jpg"))
    assert run("redact", "a.jpg", "--out", "out").code == 2
    assert Path("out/a.json").read_bytes() == b'{"corrected": true}'
    assert run("redact", "a.jpg", "--out", "out", "--force").code == 0
    assert json.loads(Path("out/a.json").read_bytes())["status"] == "redacted"


def test_a_copy_that_no_longer_holds_is_removed_unless_it_was_changed(run: InProcess) -> None:
    run("redact", write(Path("a.jpg")), write(Path("b.jpg")), "--out", "out")
    write(Path("out/b.redacted.jpg"), b"retouched")
    for name in ("a.jpg", "b.jpg"):
        write(Path(name), b"broken now")
    assert run("redact", "a.jpg", "b.jpg", "--out", "out").code == 3
    assert names(Path("out")) == ["a.json", "b.json", "b.redacted.jpg"]


@pytest.mark.parametrize(
    "pair",
    [
        ("x/a.jpg", "y/a.jpg"),
        ("x/a.jpg", "x/A.jpg"),
        ("x/a.jpg", "x/a.png"),
        ("x/e\u0301.jpg", "x/\u00e9.jpg"),
    ],
    ids=["two folders", "case", "ending", "normal form"],
)
def test_no_two_sources_share_a_name(run: InProcess, pair: tuple[str, str]) -> None:
    """Together or one after the other: each keeps its results, and the name that it has."""
    first, second = (write(Path(name), data) for name, data in zip(pair, (FRONT, BACK), strict=True))
    assert run("redact", first, second, "--out", "together").code == 0
    assert len(names(Path("together"))) == 4
    alike = {unicodedata.normalize("NFC", name).casefold() for name in names(Path("together"))}
    assert len(alike) == 4
    assert run("redact", first, "--out", "out").code == 0
    before = files(Path("out"))
    assert run("redact", second, "--out", "out").code == 0
    assert run("redact", second, first, "--out", "out", "--again").code == 0
    assert len(names(Path("out"))) == 4
    assert {name for name in before if name != MANIFEST} < set(names(Path("out")))


def test_a_rerun_does_only_what_is_new(run: InProcess) -> None:
    seen: list[bytes] = []
    run.recogniser = TruthRecogniser(seen.append)
    write(Path("in/a.jpg"))
    run("redact", "in", "--out", "out")
    write(Path("in/b.jpg"), BACK)
    first = files(Path("out"))
    ended = run("redact", "in", "--out", "out")
    assert (ended.code, len(seen)) == (0, 2)
    assert "by an earlier run" in ended.err
    assert {name: files(Path("out"))[name] for name in first if name != MANIFEST} == {
        name: digest for name, digest in first.items() if name != MANIFEST
    }
    for options, more in (
        (["--again"], 2),
        (["--policy", "strict"], 2),
        (["--policy", "strict"], 0),
        (["--card-type", "IDCard", "--policy", "strict"], 2),
    ):
        before = len(seen)
        run("redact", "in", "--out", "out", *options)
        assert len(seen) - before == more, options


@pytest.mark.parametrize("lost", ["a.json", "a.redacted.jpg"])
def test_a_result_that_was_removed_is_made_anew(run: InProcess, lost: str) -> None:
    run("redact", write(Path("a.jpg")), "--out", "out")
    Path("out", lost).unlink()
    assert run("redact", "a.jpg", "--out", "out").code == 0
    assert lost in names(Path("out"))


def test_copies_of_earlier_runs_are_never_sources(run: InProcess, tmp_path: Path) -> None:
    """However the folder is named: absolute, relative, by a link, with `..`, and into another `--out`."""
    write(Path("s/a.jpg"))
    Path("link").symlink_to("s")
    for place, out in (
        (tmp_path / "s", "s/redacted"),
        ("s", str(tmp_path / "s/redacted")),
        ("link", "s/redacted"),
        ("s/../s", "link/redacted"),
        ("s", "s/other"),
        ("s/redacted", "third"),
        ("s", "s"),
        ("s", "s"),
    ):
        ended = run("redact", place, "--out", out, "--json")
        lines = [json.loads(line) for line in ended.out.splitlines()]
        sources = [line["file"] for line in lines if line["status"] != "passed_over"]
        assert ended.code == (0 if sources else 2)
        assert [Path(source).name for source in sources] == ["a.jpg"] * (place != "s/redacted"), place


def test_links_to_copies_are_no_sources_either(run: InProcess) -> None:
    write(Path("s/a.jpg"))
    run("redact", "s", "--out", "s/redacted")
    Path("s/favourite.jpg").symlink_to("redacted/a.redacted.jpg")
    run("redact", "s", "--out", "elsewhere")
    run("redact", "s", "--out", "s/redacted")
    assert names(Path("elsewhere")) == names(Path("s/redacted")) == ["a.json", "a.redacted.jpg"]


def test_sidecars_are_private_and_copies_follow_the_umask(run: InProcess) -> None:
    before = os.umask(0o022)
    try:
        run("redact", write(Path("a.jpg")), "--out", "out")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in Path("out").iterdir()}
    assert modes == {"a.redacted.jpg": 0o644, "a.json": 0o600, MANIFEST: 0o600}


@pytest.mark.parametrize("data", [b"", b"my notes\n", b'{"schema": "cardveil.manifest/99"}\n'])
def test_a_manifest_of_others_is_refused(run: InProcess, data: bytes) -> None:
    write(Path("out") / MANIFEST, data)
    assert run("redact", write(Path("a.jpg")), "--out", "out").code == 2
    assert files(Path("out")) == {MANIFEST: hashlib.sha256(data).hexdigest()}


def test_a_manifest_names_nothing_outside_of_its_folder(run: InProcess) -> None:
    """One that was tampered with has no file elsewhere written over or removed."""
    write(Path("mine.json"), b"mine")
    run("redact", write(Path("a.jpg")), "--out", "out")
    manifest = Path("out") / MANIFEST
    lines = manifest.read_bytes().splitlines()
    record = json.loads(lines[1])
    record["files"]["../mine.json"] = hashlib.sha256(b"mine").hexdigest()
    manifest.write_bytes(lines[0] + b"\n" + json.dumps(record).encode() + b"\n")
    write(Path("a.jpg"), b"broken now")
    run("redact", "a.jpg", "--out", "out")
    assert Path("mine.json").read_bytes() == b"mine"


def test_a_torn_manifest_is_gone_on_with(run: InProcess) -> None:
    """A process that is killed while it writes leaves half a line; what was written before is not lost."""
    run("redact", write(Path("a.jpg")), "--out", "out")
    manifest = Path("out") / MANIFEST
    manifest.write_bytes(manifest.read_bytes() + b'{"source": "0123')
    assert run("redact", write(Path("b.jpg")), "a.jpg", "--out", "out").code == 0
    assert run("redact", "b.jpg", "a.jpg", "--out", "out").err.startswith("2 redacted (2 of them")


def test_two_runs_do_not_write_to_one_folder(run: InProcess) -> None:
    from cardveil_cli.files.out_folder import OutFolder

    write(Path("a.jpg"))
    with OutFolder(Path("out").resolve(), []).locked():
        ended = run("redact", "a.jpg", "--out", "out")
    assert ended.code == 2
    assert "another cardveil" in ended.err


class _Walk:
    """A random user: puts odd files into one folder and redacts it, into itself or elsewhere."""

    NAMES = ("a.jpg", "a.png", "a.redacted.jpg", "a.json", "A.jpg", "b", "b.json", "c.redacted.png", "d.part")

    def __init__(self, run: InProcess, root: Path, seed: int) -> None:
        self._run = run
        self._root = root
        self._random = random.Random(seed)
        #: What the user put there last, by path; results are what is there besides.
        self._mine: dict[str, str] = {}

    def step(self) -> None:
        self._random.choice((self._put, self._put, self._link, self._change, self._remove, self._redact))()

    def _place(self) -> Path:
        return self._root / self._random.choice(("", "in", "in/deep", "out", "out/deep")) / self._name()

    def _name(self) -> str:
        return self._random.choice(self.NAMES)

    def _put(self) -> None:
        place = self._place()
        if not os.path.lexists(place) and not place.parent.is_file():
            write(place, self._random.choice((FRONT, BACK, b"notes", b"", b'{"shapes": []}', FRONT[:900])))
            self._keep(place)

    def _link(self) -> None:
        place, goal = self._place(), self._place()
        if not os.path.lexists(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            if goal.is_file() and self._random.random() < 0.3:
                os.link(goal, place, follow_symlinks=False)
            else:
                place.symlink_to(goal)
            self._keep(place)

    def _change(self) -> None:
        """Change a file, be it a result: it is the user's from then on."""
        place = self._place()
        if place.is_file() and not place.is_symlink() and place.stat().st_nlink == 1:
            write(place, place.read_bytes() + b"more")
            self._keep(place)

    def _remove(self) -> None:
        place = self._place()
        if os.path.lexists(place):
            place.unlink()
            self._mine.pop(os.path.relpath(place, self._root), None)

    def _keep(self, place: Path) -> None:
        name = os.path.relpath(place, self._root)
        self._mine[name] = files(self._root)[name]

    def _redact(self) -> None:
        what = self._random.choice((".", "in", "in/a.jpg", "out", "in/deep/../a.jpg"))
        out = self._random.choice((".", "in", "out", "out", "in/../out"))
        options = [option for option in ("--again", "--policy=strict") if self._random.random() < 0.3]
        ended = self._run("redact", self._root / what, "--out", self._root / out, *options)
        assert ended.code in {0, 2, 3}, ended
        now = files(self._root)
        assert self._mine == {name: now.get(name) for name in self._mine}, (what, out, options)
        assert not [name for name in now if Path(name).name.startswith(".cardveil-") and MANIFEST not in name]


@pytest.mark.parametrize("seed", range(25))
def test_nothing_of_the_user_is_changed_on_any_walk(run: InProcess, tmp_path: Path, seed: int) -> None:
    walk = _Walk(run, tmp_path / "home", seed)
    (tmp_path / "home").mkdir()
    for _ in range(40):
        walk.step()
    walk._redact()


def test_the_walk_sees_what_is_lost(run: InProcess, tmp_path: Path) -> None:
    """The control: a walk over a folder in which a file is changed behind its back fails."""
    home = tmp_path / "home"
    walk = _Walk(run, home, 0)
    write(home / "a.json", b"mine")
    walk._keep(home / "a.json")
    write(home / "a.json", b"lost")
    with pytest.raises(AssertionError):
        walk._redact()
