"""Files made to hang, to mislead or to crash: refused at once, in a line, or named."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from subtomo.errors import InputError
from subtomo.extraction.sequence import PseudoSubtomograms
from subtomo.io import guarded
from subtomo.io.file_state import changed_files, file_states, require_unchanged
from subtomo.io.mrc import TiltImages, parse_image_name
from subtomo.io.reading import collected_warnings
from subtomo.io.relion import read_particles, read_tomograms
from subtomo.io.star import read_tables
from subtomo.model.settings import ExtractionSettings
from tests.strangers.conftest import doctor, edit, extract, replaced, told, volumes

STACK, TILTS = "TS_254.mrcs", "tilt_series/TS_254.star"
Errors = pytest.CaptureFixture[str]


@pytest.mark.parametrize("kind", ["pipe", "device", "socket"])
@pytest.mark.parametrize("place", ["image", "particles", "tomograms", "tilts"])
@pytest.mark.usefixtures("project")
def test_a1_what_is_no_regular_file_is_refused_at_once(kind: str, place: str, capsys: Errors) -> None:
    name = "x.mrcs" if place == "image" else "x.star"
    if kind == "pipe":
        os.mkfifo(name)
    elif kind == "device":
        os.symlink("/dev/zero", name)
    else:
        server = socket.socket(socket.AF_UNIX)
        server.bind(name)
        server.close()
    words = {"particles": ("--p", name), "tomograms": ("--t", name)}.get(place, ())
    if place == "image":
        replaced(TILTS, "TS_254.mrcs", name)
    if place == "tilts":
        replaced("tomograms.star", TILTS, name)
    start = time.monotonic()
    assert extract(*words) == 1
    assert "is no regular file" in capsys.readouterr().err
    code, findings = doctor(*words)
    assert code == 1
    assert "is no regular file" in told(findings)
    assert time.monotonic() - start < 10


def header_word(word: int, *values: int) -> None:
    """Write words of the header of the stack; they are counted from 1, as in the standard."""
    with open(STACK, "r+b") as file:
        file.seek(4 * (word - 1))
        file.write(np.array(values, "<i4").tobytes())


@pytest.mark.usefixtures("project")
def test_a2_a_file_that_holds_its_stack_several_times_has_a_wrong_stamp(capsys: Errors) -> None:
    pixels = np.frombuffer(Path(STACK).read_bytes(), np.int8, offset=1024)
    with open(STACK, "r+b") as file:
        file.seek(1024)
        file.write(pixels.astype(np.float32).tobytes())
    assert extract() == 1
    message = capsys.readouterr().err
    assert "4 times as much room" in message
    assert not Path("out").exists()
    code, findings = doctor()
    assert code == 1
    assert "4 times as much room" in told(findings, "error")


@pytest.mark.usefixtures("project")
def test_a2_any_other_surplus_is_named_with_both_sizes(capsys: Errors) -> None:
    actual = Path(STACK).stat().st_size
    header_word(1, 32)
    said = 1024 + 32 * 630 * 41
    assert said < actual
    extract()
    message = capsys.readouterr().err
    assert f"has {actual} bytes, but its header says {said} bytes" in message
    code, findings = doctor()
    assert code == 1
    assert f"has {actual} bytes, but its header says {said} bytes" in told(findings, "error")


@pytest.mark.usefixtures("project")
def test_a2_a_few_bytes_too_many_change_nothing_but_are_named(untouched: dict[str, bytes], capsys: Errors) -> None:
    with open(STACK, "ab") as file:
        file.write(bytes(100))
    assert extract() == 0
    assert volumes() == untouched
    assert "but its header says" in capsys.readouterr().err


@pytest.mark.usefixtures("project")
def test_a3_axes_in_another_order_are_named(untouched: dict[str, bytes], capsys: Errors) -> None:
    header_word(17, 2, 1, 3)
    assert extract() == 0
    assert volumes() == untouched
    assert "(mapc, mapr, maps) are axes 2, 1, 3" in capsys.readouterr().err
    code, findings = doctor()
    assert code == 1
    assert "(mapc, mapr, maps) are axes 2, 1, 3" in told(findings, "warning")


HEAD = b"data_particles\n\nloop_\n_a #1\n_b #2\n"
HEAVY = {
    "open quotes": HEAD + b'"a ' * 3_400_000 + b"\n",
    "open quotes of two kinds": HEAD + b"'a \"b " * 1_700_000 + b"\n",
    "an open quote in a list": b"data_x\n_a " + b'"a ' * 3_400_000 + b"\n",
    "quotes alone": HEAD + b'"' * 10_000_000 + b"\n",
    "quotes within": HEAD + b'"a"b ' * 2_000_000 + b"\n",
    "a million labels": b"data_x\n\nloop_\n" + b"".join(b"_l%d #%d\n" % (i, i) for i in range(1_000_000)),
    "blanks": HEAD + b" " * 10_000_000 + b"\n",
    "comments": HEAD + b"# x\n" * 2_500_000,
}


@pytest.mark.parametrize("name", HEAVY)
def test_a4_ten_megabytes_of_anything_take_two_seconds_at_most(tmp_path: Path, name: str) -> None:
    path = tmp_path / "heavy.star"
    path.write_bytes(HEAVY[name])
    start = time.process_time()
    message = ""
    try:
        read_tables(path)
    except InputError as error:
        message = str(error)
    assert time.process_time() - start < 2.0
    assert len(message) < 500 + len(str(path))


def test_a4_lists_in_messages_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "wide.star"
    labels = "".join(f"_label{i}\n" for i in range(5000))
    path.write_text(f"data_\nloop_\n{labels}" + "1 " * 5000 + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="and 4960 more") as caught:
        read_tables(path)[0].require("none")
    assert len(str(caught.value)) < 2000


STRANGE = {"C1": "\x9b31m", "bidirectional": "\u202egnp", "no width": "\u200b", "line separator": "\u2028"}


@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.usefixtures("project")
def test_a5_names_that_a_terminal_obeys_or_hides_are_escaped_and_refused(
    kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    strange = STRANGE[kind]
    replaced("particles.star", "TS_254/3 ", f"TS_254/3{strange} ")
    assert extract() == 1
    assert not Path("out").exists()
    assert doctor()[0] == 1
    replaced("particles.star", f"TS_254/3{strange} ", "TS_254/3 ")
    replaced(TILTS, "@TS_254.mrcs", f"@TS{strange}.mrcs")
    assert extract() == 1
    assert doctor()[0] == 1
    replaced(TILTS, f"@TS{strange}.mrcs", "@TS_254.mrcs")
    edit("particles.star", lambda text: text.replace("TS_254 ", f"TS_254{strange} ", 1))
    assert extract() == 0
    printed = "".join(capfd.readouterr())
    assert strange not in printed
    assert ascii(strange)[1:-1] in printed


@pytest.mark.usefixtures("project")
def test_a15_a_window_of_a_file_that_became_shorter_is_an_error_and_no_signal() -> None:
    addresses = [parse_image_name(f"{tilt}@{STACK}") for tilt in range(1, 42)]
    images = TiltImages.open(addresses, name="TS_254")
    before = images[40][100:200, 50:300].copy()
    np.testing.assert_array_equal(images.window(40, (100, 200), (50, 300)), before)
    os.truncate(STACK, 1024 + 652 * 630 * 3)
    with pytest.raises(InputError, match="became shorter while it was read"):
        images.window(40, (100, 200), (50, 300))
    assert images.window(1, (0, 630), (0, 652)).shape == (630, 652)


@pytest.mark.usefixtures("project")
def test_a15_the_same_where_the_system_copies_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "_vm_readv", None)
    images = TiltImages.open([parse_image_name(f"{tilt}@{STACK}") for tilt in range(1, 42)], name="TS_254")
    for rows, columns in (((100, 200), (50, 300)), ((0, 630), (0, 652)), ((5, 6), (7, 8))):
        expected = images[40][slice(*rows), slice(*columns)].copy()
        np.testing.assert_array_equal(images.window(40, rows, columns), expected)
    os.truncate(STACK, 1024 + 652 * 630 * 3)
    with pytest.raises(InputError, match="became shorter while it was read"):
        images.window(40, (100, 200), (50, 300))


TRUNCATING = """
import os, sys, threading, time
from subtomo.cli import main
def cut():
    time.sleep(float(sys.argv[1]))
    os.truncate("TS_254.mrcs", 1024 + 652 * 630 * 2)
threading.Thread(target=cut, daemon=True).start()
sys.exit(main(["extract", "--t", "tomograms.star", "--p", "particles.star", "--b", "64", "--bin", "2", "--o", "out/"]))
"""


@pytest.mark.parametrize("delay", ["0.05", "0.4", "0.8", "1.2"])
@pytest.mark.usefixtures("project")
def test_a15_a_stack_truncated_under_a_run_ends_it_in_words(delay: str) -> None:
    run = subprocess.run([sys.executable, "-c", TRUNCATING, delay], capture_output=True, text=True, check=False)
    assert run.returncode in (0, 1), run.stderr
    assert "Traceback" not in run.stderr


MAPPED = """
import os, sys
import numpy as np
from subtomo.io.mrc import TiltImages, parse_image_name
images = TiltImages.open([parse_image_name(f"{tilt}@TS_254.mrcs") for tilt in range(1, 42)], name="TS_254")
image = images[40]
assert image.any()
os.truncate("TS_254.mrcs", 1024 + 652 * 630 * 2)
assert not images[40].any()
sys.exit(7)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems send another signal")
@pytest.mark.usefixtures("project")
def test_a15_mapped_pixels_whose_file_became_shorter_read_as_zeros() -> None:
    run = subprocess.run([sys.executable, "-c", MAPPED], capture_output=True, text=True, check=False)
    assert run.returncode == 7, (run.returncode, run.stderr)


@pytest.mark.parametrize("change", ["truncated", "overwritten"])
@pytest.mark.usefixtures("project")
def test_a15_particles_made_after_a_file_changed_are_failures_that_name_it(change: str) -> None:
    tomograms = read_tomograms("tomograms.star")
    particles = read_particles("particles.star", tomograms)
    sequence = iter(PseudoSubtomograms(tomograms, particles, ExtractionSettings(box_size=32, binning=4)))
    next(sequence)
    if change == "truncated":
        os.truncate(STACK, 1024 + 652 * 630 * 2)
    else:
        with open(STACK, "r+b") as stream:
            stream.seek(5000)
            stream.write(b"other pixels")
    with pytest.raises(InputError, match=r"TS_254\.mrcs: .*while it was read; leave inputs alone during a run"):
        next(sequence)


@pytest.mark.usefixtures("project")
def test_a15_files_that_changed_under_a_run_are_told_apart() -> None:
    names = ["a", "b", "c", "d", "e"]
    for name in names:
        Path(name).write_bytes(b"12345")
    before = file_states([*names, "a"])
    require_unchanged(before)
    Path("a").write_bytes(b"1234")
    Path("new").write_bytes(b"12345")
    os.utime("new", ns=(before["b"].mtime_ns, before["b"].mtime_ns))
    os.replace("new", "b")
    Path("c").unlink()
    os.utime("d", ns=(1, 1))
    changed = changed_files(before)
    assert list(changed) == ["a", "b", "c", "d"]
    assert changed["a"] == "had 5 bytes, now it has 4"
    assert changed["b"] == "was replaced by another file"
    assert "cannot be found any more" in changed["c"]
    assert changed["d"] == "was written to"
    with pytest.raises(
        InputError, match=r"a: had 5 bytes, now it has 4 while it was read \(and 3 more files changed\)"
    ):
        require_unchanged(before)


def test_line_ends_of_windows_and_byte_order_marks_are_read_with_a_warning(tmp_path: Path) -> None:
    unix = "data_x\n\nloop_\n_a #1\n_b #2\n1 é\n2 z\n"
    for content, words in (
        (unix.replace("\n", "\r\n").encode(), "has CR\\+LF line ends, as on Windows; .* RELION .*dos2unix"),
        (b"\xef\xbb\xbf" + unix.encode(), "begins with a UTF-8 byte order mark; .* RELION"),
    ):
        path = tmp_path / "x.star"
        path.write_bytes(content)
        with pytest.warns(match=words):
            table = read_tables(path)[0]
        assert table.text("b").tolist() == ["é", "z"]
    path.write_bytes(b"\xef\xbb\xbf" + unix.replace("\n", "\r\n").encode())
    with collected_warnings() as told_of:
        read_tables(path)
        read_tables(path)
    assert len(told_of) == 2


@pytest.mark.usefixtures("project")
def test_line_ends_of_windows_change_no_particle(untouched: dict[str, bytes], capsys: Errors) -> None:
    for path in ("tomograms.star", "particles.star", TILTS):
        Path(path).write_bytes(b"\xef\xbb\xbf" + Path(path).read_bytes().replace(b"\n", b"\r\n"))
    assert extract() == 0
    assert volumes() == untouched
    assert len(re.findall("warning: .*line ends", capsys.readouterr().err)) == 3
    code, findings = doctor()
    assert code == 1
    assert told(findings, "error") == ""
    assert "dos2unix" in told(findings, "warning")
