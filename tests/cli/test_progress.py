"""What is seen of a run while it goes on, and the account at its end."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from subtomo.cli import main
from subtomo.cli.progress import Lines

Capture = pytest.CaptureFixture[str]


def on_a_terminal(words: tuple[str, ...]) -> tuple[int, str, str]:
    """Run `subtomo` with a pseudo-terminal as stderr; give exit code, stdout, and what the terminal was sent."""
    ours, theirs = pty.openpty()
    received: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(ours, 65536):
                received.append(data)
        except OSError:  # the other end is closed
            pass

    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    reader = threading.Thread(target=read)
    with subprocess.Popen(
        [sys.executable, "-m", "subtomo", *words], stdout=subprocess.PIPE, stderr=theirs, env=environment, text=True
    ) as process:
        os.close(theirs)
        reader.start()
        stdout, _ = process.communicate(timeout=120)
    reader.join(timeout=10)
    os.close(ours)
    return process.returncode, stdout, b"".join(received).decode()


def test_a_terminal_gets_a_bar_with_rate_and_time_left(extract: tuple[str, ...]) -> None:
    code, stdout, seen = on_a_terminal((*extract, "--p", "particles.star", "--diag"))
    assert code == 0
    assert "\x1b[" in seen
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    assert "━" in plain
    total = re.search(r"(\d+)/(\d+)", plain)
    assert total is not None
    assert f"{total[2]}/{total[2]}" in plain
    assert re.search(r"\d+\.\d particles/s", plain)
    assert re.search(r"\d:\d\d", plain), "time left"
    assert "warning: --p is given more than once" in plain
    assert "note: --diag has no effect" in plain
    assert f"{total[2]} of " in stdout
    assert "\x1b" not in stdout


def test_an_error_on_a_terminal_is_one_plain_line(extract: tuple[str, ...]) -> None:
    code, stdout, seen = on_a_terminal((*extract, "--bogus"))
    assert (code, stdout) == (1, "")
    assert seen.splitlines() == ["error: unknown option --bogus; see subtomo extract --help"]


def test_a_file_gets_plain_lines_without_control_characters(extract: tuple[str, ...], capsys: Capture) -> None:
    assert main(extract) == 0
    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert "extracting 2 particles" in lines
    assert re.fullmatch(r"2/2 particles, \d+\.\d/s, 0 s left", lines[-1])
    assert "\x1b" not in said.err + said.out
    assert "\r" not in said.err + said.out


def test_a_long_run_prints_a_line_per_tenth_of_the_work(capsys: Capture) -> None:
    lines = Lines()
    lines.start(1000)
    for i in range(1000):
        lines.advance(str(i))
    lines.stop()
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 11
    assert [line.partition("/")[0] for line in said[1:]] == [str(n) for n in range(100, 1001, 100)]


def test_a_slow_run_prints_a_line_every_ten_seconds(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    seconds = iter(float(t) for t in range(0, 1000, 4))
    monkeypatch.setattr("subtomo.cli.progress.time.monotonic", lambda: next(seconds))
    lines = Lines()
    lines.start(100_000)
    for i in range(6):
        lines.advance(str(i))
    said = capsys.readouterr().err.splitlines()[1:]
    assert [line.partition("/")[0] for line in said] == ["3", "6"]
    assert "0.2/s" in said[0]


def test_the_account_says_what_was_left_out_and_why_and_where_to_look(
    extract: tuple[str, ...], capsys: Capture
) -> None:
    assert main((*extract, "--min_frames", "1000")) == 1
    out, err = capsys.readouterr()
    assert re.search(r"error: no particle was extracted: 2 of 2 .* TS_01/1, for instance: visible in \d+ of", err)
    assert "0 of 2 particles extracted into out/" in out
    assert "2 left out:" in out
    assert re.search(r"2 x .+ \(TS_01/1, TS_01/2\)", out)
    for name in ("out/particles.star", "out/extraction_summary.json"):
        assert name in out
        assert Path(name).exists()
