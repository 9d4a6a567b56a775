"""The chain sample-manifold, extract, average on a simulated vesicle."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def vesicle() -> ModuleType:
    specification = importlib.util.spec_from_file_location("vesicle", EXAMPLES / "vesicle.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_average_in_the_manifolds_frame_shows_the_membrane_perpendicular_to_z(
    vesicle: ModuleType, tmp_path: Path
) -> None:
    vesicle.simulate(tmp_path, n_tilts=21, noise=2.0)
    average = vesicle.average_membrane(tmp_path)
    middle = average.shape[0] // 2
    core = average[:, middle - 5 : middle + 6, middle - 5 : middle + 6]
    along_z = core.mean(axis=(1, 2))
    peaks = [z for z in range(2, len(along_z) - 2) if along_z[z] == along_z[z - 2 : z + 3].max()]
    leaflets = sorted(sorted(peaks, key=lambda z: along_z[z])[-2:])
    # two leaflets 40 Å, i.e. 4 voxels apart, around the surface that was sampled
    assert leaflets == [middle - 2, middle + 2]
    # nothing varies as much across the membrane's plane as along z
    assert core.mean(axis=0).std() < 0.1 * along_z.std()
    # the proteins stand outside, which is where z is larger
    outside, inside = along_z[middle + 6 : middle + 12].mean(), along_z[middle - 12 : middle - 6].mean()
    assert outside > inside + 0.02 * np.ptp(along_z)
