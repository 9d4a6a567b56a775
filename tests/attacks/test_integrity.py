"""What is finished, what is kept, and what is replaced: nothing is trusted that is not as it was written."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mrcfile
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from subtomo.cli import main
from subtomo.errors import InputError, OutputError, SettingsError
from subtomo.io.atomic import atomic_write, renamed_together
from subtomo.jobs.extract import RunContext, extract, store_particles
from subtomo.jobs.progress import Silent
from subtomo.model.settings import ExtractionSettings, OutputSettings
from subtomo.output.journal import Entry, Journal, read_journal
from tests.helpers.project import read_project, write_project

SETTINGS = ExtractionSettings(box_size=32, crop_size=24)
JOURNAL = Path("out/.subtomo/journal.jsonl")
COMMAND = ["extract", "--t", "tomograms.star", "--p", "particles.star", "--b", "32", "--crop", "24", "--j", "1"]
Captured = pytest.CaptureFixture[str]


class Notes(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, message: str) -> None:
        self.said.append(message)

    warn = note


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    return tmp_path


def run(*, output: OutputSettings | None = None, as_zarr: bool = False, **context: Any) -> tuple[Any, list[str]]:
    make, notes = store_particles if as_zarr else extract, Notes()
    given = RunContext(threads=1, progress=notes, **context)
    return make(*read_project(Path()), SETTINGS, "out", output=output, context=given), notes.said


def flip(path: str | Path, place: int = 2000) -> None:
    """Change a byte, and nothing that a listing of the folder would show."""
    path = Path(path)
    before, content = path.stat(), bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


# A7


def test_a7_particles_that_were_altered_are_found_by_their_checksums() -> None:
    run()
    flip("out/Subtomograms/TS_2/3_data.mrc")
    assert run(resume=True)[0].n_found == 4, "sizes alone do not tell"
    summary, said = run(resume=True, verify=True)
    assert (summary.n_found, summary.n_written_files) == (3, 2)
    assert "1 finished particle(s) are made again, for their files were altered since" in said
    assert run(resume=True, verify=True)[0].n_found == 4


def test_a7_batches_keep_checksums_too() -> None:
    from tests.run.test_batches import Backwards

    run(executor=Backwards())
    recorded = read_journal(JOURNAL)
    assert recorded is not None
    assert all(len(entry.checksum) == 16 for entry in recorded.entries.values())
    flip("out/Subtomograms/TS_1/1_weights.mrc")
    assert run(resume=True, verify=True)[0].n_found == 3


def test_a7_doctor_verifies_particles(capsys: Captured) -> None:
    assert main([*COMMAND, "--o", "out/"]) == 0
    assert main(["doctor", "out/", "--verify"]) == 0
    flip("out/Subtomograms/TS_2/3_data.mrc")
    capsys.readouterr()
    assert main(["doctor", "out/", "--verify"]) == 1
    said = capsys.readouterr()
    assert "out/Subtomograms/TS_2/3" in said.out


def test_a7_verify_alone_is_refused(capsys: Captured) -> None:
    assert main([*COMMAND, "--o", "out/", "--verify"]) == 1
    assert "--verify" in capsys.readouterr().err


# A10


def test_a10_files_appear_together_or_not_at_all(tmp_path: Path) -> None:
    Path("b").write_text("old")

    def write(fails: bool) -> None:
        with renamed_together(last="a"):
            for name in "ab":
                with atomic_write(name) as stream:
                    stream.write(b"new")
            assert not Path("a").exists()
            assert Path("b").read_text() == "old"
            if fails:
                raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write(True)
    assert (Path("b").read_text(), Path("a").exists(), list(Path().glob(".subtomo-*"))) == ("old", False, [])
    write(False)
    assert (Path("a").read_text(), Path("b").read_text()) == ("new", "new")


def test_a10_a_run_whose_end_fails_leaves_no_part_of_its_records(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "out/optimisation_set.star")

    with monkeypatch.context() as patched:
        patched.setattr("subtomo.output.records.write_optimisation_set", full)
        with pytest.raises(OutputError, match="No space"):
            run()
    assert [path.name for path in Path("out").iterdir() if path.is_file()] == []
    assert run(resume=True)[0].n_found == 4


# A11


@pytest.mark.parametrize("size", [(96, 48), (256, 128)])
def test_a11_shards_and_batches_take_some_two_seconds(size: tuple[int, int]) -> None:
    from subtomo.io.zarr_store import particles_per_shard
    from subtomo.output.batching import BATCH_COST

    milliseconds = {96: 8.0, 256: 150.0}[size[0]]
    assert particles_per_shard(size[1]) * milliseconds <= 2000
    assert BATCH_COST // (41 * size[0] ** 2) * milliseconds <= 3000


def test_a11_a_killed_store_keeps_what_was_finished(project: Path) -> None:
    code = (
        "import os, signal, subtomo.io.zarr_store as store\n"
        "store.SHARD_BYTES = 1\n"
        "write, n = store.StoreWriter.write, [0]\n"
        "def counted(self, *arguments):\n"
        "    n[0] += 1\n"
        "    if n[0] == 4: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return write(self, *arguments)\n"
        "store.StoreWriter.write = counted\n"
        "from subtomo.cli import main\n"
        f"main({[*COMMAND, '--store', 'zarr', '--o', 'out/']!r})\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    summary, _ = run(as_zarr=True, resume=True)
    assert summary.n_found == 3


# A16


def test_a16_files_that_vanish_while_the_run_goes_on_are_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    from subtomo.output.relion_tree import RelionTree

    missing = RelionTree.missing

    def lost(self: RelionTree, plan: Any) -> Any:
        Path("out/Subtomograms/TS_1/1_data.mrc").unlink()
        return missing(self, plan)

    monkeypatch.setattr(RelionTree, "missing", lost)
    summary, said = run()
    monkeypatch.setattr(RelionTree, "missing", missing)
    (failure,) = summary.failures
    assert (failure.particle, summary.n_extracted) == ("TS_1/1", 3)
    assert "out/Subtomograms/TS_1/1_data.mrc: is gone at the end of the run" in failure.error
    assert any("TS_1/1" in message for message in said)
    assert "1_data.mrc" not in Path("out/particles.star").read_text()
    assert run(resume=True)[0].n_found == 3


def test_a16_shards_that_vanish_are_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subtomo.io.zarr_store.SHARD_BYTES", 1)
    shard = Path("out/particles.zarr/data/c/0")
    from subtomo.output.zarr_group import ZarrGroup

    missing = ZarrGroup.missing

    def lost(self: ZarrGroup, plan: Any) -> Any:
        shutil.rmtree(shard)
        return missing(self, plan)

    monkeypatch.setattr(ZarrGroup, "missing", lost)
    summary, _ = run(as_zarr=True)
    assert [failure.particle for failure in summary.failures] == ["TS_1/1"]
    monkeypatch.setattr(ZarrGroup, "missing", missing)
    assert run(as_zarr=True, resume=True)[0].n_found == 3


# A20


@pytest.mark.parametrize("name", ["particles.star", "report.html", "note.txt", "motion.star"])
def test_a20_files_of_others_are_not_replaced_unasked(name: str, capsys: Captured) -> None:
    Path("out").mkdir()
    Path("out", name).write_text("mine")
    assert main([*COMMAND, "--o", "out/"]) == 1
    said = capsys.readouterr().err
    assert name in said
    assert "--overwrite" in said
    assert Path("out", name).read_text() == "mine"
    assert sorted(path.name for path in Path("out").iterdir()) == [name]
    assert main([*COMMAND, "--o", "out/", "--overwrite"]) == 0
    assert main([*COMMAND, "--o", "out/"]) == 0, "what subtomo made is replaced as ever"


# A25


@pytest.mark.parametrize("damage", ["removed", "cut", "zeroed", "one byte"])
def test_a25_shards_that_are_not_as_written_are_made_again(damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subtomo.io.zarr_store.SHARD_BYTES", 1)
    run(as_zarr=True)
    shard = Path("out/particles.zarr/ctf2/c/2/0/0/0")
    content = shard.read_bytes()
    if damage == "removed":
        shard.unlink()
    elif damage == "one byte":
        flip(shard, 100)
    else:
        shard.write_bytes(content[:50] if damage == "cut" else bytes(len(content)))
    summary, said = run(as_zarr=True, resume=True)
    assert summary.n_found == 3
    assert "1 finished particle(s) are made again: shards of theirs are missing or altered" in said
    assert shard.read_bytes() == content


@pytest.mark.parametrize(("name", "value"), [("numerics", 1), ("settings", {"box_size": 30})])
def test_a25_a_store_made_by_other_rules_is_not_finished(name: str, value: Any) -> None:
    run(as_zarr=True)
    path = Path("out/particles.zarr/zarr.json")
    content = json.loads(path.read_text())
    old = content["attributes"][name]
    content["attributes"][name] = {**old, **value} if isinstance(value, dict) else value
    path.write_text(json.dumps(content))
    with pytest.raises(SettingsError, match=r"numerics|box_size"):
        run(as_zarr=True, resume=True)


# A6, A26


def future(path: Path) -> None:
    path.write_text(path.read_text().replace('"journal":1', '"journal":99'))


def garbled(path: Path) -> None:
    path.write_bytes(b"\x00" * path.stat().st_size)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def without_settings(path: Path) -> None:
    path.write_text('{"journal":1,"settings":null}\n')


@pytest.mark.parametrize("damage", [future, garbled, a_folder, a_pipe, without_settings])
def test_a26_a_journal_that_cannot_be_read_is_not_no_journal(damage: Callable[[Path], None]) -> None:
    run()
    damage(JOURNAL)
    trusting = OutputSettings(skip_existing=True)
    with pytest.raises(SettingsError, match=r"journal\.jsonl: .*remove out/\.subtomo/journal\.jsonl"):
        run(output=trusting)
    assert Path("out/particles.star").exists()
    if damage in (a_folder, a_pipe):
        with pytest.raises(InputError, match=r"journal\.jsonl: is (a folder|no regular file)"):
            run(resume=True)
    else:
        summary, said = run(resume=True)
        assert summary.n_found == 0
        assert any("journal.jsonl" in message and "made again" in message for message in said)


@pytest.mark.parametrize("damage", [a_folder, a_pipe])
def test_a6_a_lock_that_is_no_file_is_named(damage: Callable[[Path], None]) -> None:
    run()
    lock = Path("out/.subtomo/lock")
    lock.write_text("")
    damage(lock)
    with pytest.raises(InputError, match=r"out/\.subtomo/lock"):
        run()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(anything | st.builds(lambda key: ["TS_1/1", key], anything), max_size=5), head=anything)
def test_a6_no_content_of_journal_or_lock_ends_in_a_traceback(lines: list[Any], head: Any) -> None:
    hidden = Path("out/.subtomo")
    hidden.mkdir(parents=True, exist_ok=True)
    (hidden / "journal.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in [head, *lines]))
    read_journal(hidden / "journal.jsonl")
    (hidden / "journal.jsonl").write_text(
        "".join(f"{json.dumps(line)}\n" for line in [{"journal": 1, "settings": head}, *lines])
    )
    recorded = read_journal(hidden / "journal.jsonl")
    assert recorded is not None
    assert all(isinstance(entry.key, str) for entry in recorded.entries.values())
    from subtomo.output.lock import folder_lock

    (hidden / "lock").write_text(json.dumps(head if not isinstance(head, dict) else {**head, "host": "", "pid": 1}))
    if not isinstance(head, dict):
        with folder_lock(hidden / "lock"):
            pass


# A27


def test_a27_an_error_of_the_journal_is_not_hidden_when_it_is_closed_again(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "journal.jsonl"), {}, {})
    journal.add("1", Entry("key"), [str(tmp_path)])
    journal.flush()
    journal.add("2", Entry("key"))
    with pytest.raises(IsADirectoryError):
        journal.close()
    journal.close()


def test_a27_what_a_killed_average_left_is_swept_by_the_next(project: Path) -> None:
    assert main([*COMMAND, "--o", "out/"]) == 0
    folder = Path("out/average")
    folder.mkdir()
    old, new = (folder / f".subtomo-{digit * 16}.tmp" for digit in "01")
    for path in (old, new):
        path.write_bytes(b"half a map")
    os.utime(old, (time.time() - 100,) * 2)
    assert main(["average", "out/", "--o", "out/average/", "--half-maps-only"]) == 0
    assert not old.exists()
    assert new.exists(), "it may belong to a program at work"


def test_a27_an_output_folder_that_relion_would_misread_is_refused(capsys: Captured) -> None:
    assert main([*COMMAND, "--o", "a b@c/"]) == 1
    assert "@" in capsys.readouterr().err
    assert not Path("a b@c").exists()


# A23


def test_a23_images_that_half_precision_takes_for_zero_are_warned_of() -> None:
    for name in ("TS_1.mrcs", "TS_2.mrcs"):
        with mrcfile.open(name, mode="r+", permissive=True) as stack:
            stack.data[:] *= 1e-9
    _, said = run(output=OutputSettings(float16=True))
    assert any("too small for half precision" in message and "float16=True" in message for message in said)


def test_a23_half_precision_of_usual_images_is_not_warned_of() -> None:
    _, said = run(output=OutputSettings(float16=True))
    assert not any("half precision" in message for message in said)


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("--cutoff_fract", "2"), "--cutoff_fract"),
        (("--b", "1000000", "--crop", "24"), "--b"),
    ],
)
def test_a23_what_leaves_nothing_is_refused_with_the_option(
    words: tuple[str, ...], option: str, capsys: Captured
) -> None:
    command = [word for word in COMMAND if words[0] != "--b" or word not in ("--b", "32", "--crop", "24")]
    assert main([*command, *words, "--o", "out/"]) == 1
    assert option in capsys.readouterr().err
    assert not Path("out").exists()


def test_a23_a_number_of_tilts_that_no_series_has_is_named(capsys: Captured) -> None:
    assert main([*COMMAND, "--min_frames", "1000", "--o", "out/"]) == 1
    said = capsys.readouterr().err
    assert "more than the series has: lower the least number of tilts (--min_frames)" in said
    assert "Check box" not in said
