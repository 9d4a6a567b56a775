from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from subtomo.errors import InputError
from subtomo.io.atomic import atomic_write


@pytest.mark.parametrize("durable", [False, True])
def test_content_gets_the_final_name_and_nothing_else_stays(tmp_path: Path, durable: bool) -> None:
    with atomic_write(tmp_path / "a.star", durable=durable) as handle:
        handle.write(b"content")
    assert (tmp_path / "a.star").read_bytes() == b"content"
    assert os.listdir(tmp_path) == ["a.star"]


def test_final_name_does_not_exist_while_the_block_runs(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.star") as handle:
        handle.write(b"half of the content")
        handle.flush()
        assert not (tmp_path / "a.star").exists()


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_failure_keeps_the_older_file_and_removes_the_temporary_one(tmp_path: Path, error: type[BaseException]) -> None:
    final = tmp_path / "a.star"
    final.write_bytes(b"older")

    def write_and_fail() -> None:
        with atomic_write(final) as handle:
            handle.write(b"newer")
            raise error

    with pytest.raises(error):
        write_and_fail()
    assert final.read_bytes() == b"older"
    assert os.listdir(tmp_path) == ["a.star"]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    with atomic_write(tmp_path / "atomic"):
        pass
    plain, atomic = (stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "atomic"))
    assert atomic == plain


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"nowhere/a\.star: cannot be written"),
        atomic_write(tmp_path / "nowhere/a.star"),
    ):
        pass


def test_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"), atomic_write(tmp_path):
        pass
