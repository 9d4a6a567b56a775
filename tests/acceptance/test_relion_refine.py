"""The program itself: relion_refine, unmodified, on simulated particles with known poses."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.stats import wilcoxon

pytestmark = pytest.mark.acceptance

N_PARTICLES, SNR = 200, 0.03


@pytest.fixture(scope="module")
def example(repository: Path) -> ModuleType:
    if shutil.which("relion_refine") is None:
        pytest.skip("relion_refine is not installed (Debian: apt-get install relion)")
    path = repository / "examples" / "refine_with_relion.py"
    spec = importlib.util.spec_from_file_location("refine_with_relion", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # processes that simulate particles find the functions by the module's name
    sys.modules["refine_with_relion"] = module
    spec.loader.exec_module(module)
    return module


def test_relion_refine_finds_better_poses_in_completed_particles(example: ModuleType, tmp_path: Path) -> None:
    found = example.compare(N_PARTICLES, SNR, ["--particle_diameter", "180"], tmp_path)
    angles = {kind: errors[:, 0] for kind, errors in found.items()}
    positions = {kind: errors[:, 1] for kind, errors in found.items()}
    assert wilcoxon(angles["completed"], angles["whitened"], alternative="less").pvalue < 0.01
    assert wilcoxon(positions["completed"], positions["relion"], alternative="less").pvalue < 0.01
    for other in ("whitened", "relion"):
        assert np.mean(angles["completed"]) < np.mean(angles[other])
        assert np.mean(positions["completed"]) <= np.mean(positions[other])
    assert np.mean(angles["completed"]) < example.START_ANGLE_DEG
