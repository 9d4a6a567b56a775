"""The how-to page on jobs inside RELION: its commands run, in their order and in one shell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from subtomo.jobs.stand_in import command_script
from tests.helpers.project import write_project


@pytest.mark.skipif(shutil.which("mpirun") is None, reason="mpirun is not installed (openmpi-bin)")
def test_the_commands_of_the_page_run(tmp_path: Path, repository: Path) -> None:
    write_project(tmp_path)
    page = (repository / "docs" / "howto" / "inside-relion.md").read_text(encoding="utf-8")
    script = "set -e\n" + "\n".join(re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE))
    environment = {
        **os.environ,
        "PATH": f"{command_script().parent}{os.pathsep}{os.environ['PATH']}",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
    }
    run = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stdout + run.stderr
    for job in ("job042", "job043", "job044"):
        assert (tmp_path / "Extract" / job / "particles.star").is_file()
