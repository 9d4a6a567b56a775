"""The how-to page on machine learning: its command and its network run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from subtomo.cli import main


def blocks(repository: Path, language: str) -> list[str]:
    page = (repository / "docs" / "howto" / "machine-learning.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def test_the_command_of_the_page_runs(known: Path, repository: Path) -> None:
    (command,) = blocks(repository, "sh")
    assert main(shlex.split(command)[1:]) == 0
    assert (known / "Stacks/tilt_images.star").is_file()


def test_the_network_of_the_page_learns(known: Path, repository: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (subtomo[torch])")
    torch.manual_seed(0)
    names: dict[str, Any] = {}
    exec("\n".join(blocks(repository, "python")), names)
    losses = names["losses"]
    assert names["item"]["images"].shape == (8, 32, 32)
    assert np.mean(losses[-6:]) < 0.9 * losses[0]
