"""The hand test finds the hand where the data hold it, and claims nothing where they do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from subtomo.doctor.likelihood import Sample, compare_hands
from tests.doctor.conftest import change, examine, findings, found


def test_the_hand_is_confirmed_or_found_wrong(scene: Path) -> None:
    code, diagnosis = examine("--hand-test")
    assert (code, findings(diagnosis)) == (0, [])
    assert diagnosis["hand"]["is_sure"]
    change("tomograms.star", "global", "rlnTomoHand", np.negative)
    code, turned = examine("--hand-test")
    assert code == 1
    assert "favour the other hand" in found(turned, "hand")
    assert turned["hand"]["z"] == pytest.approx(-diagnosis["hand"]["z"], rel=1e-3)


def test_without_orientations_nothing_is_said_of_the_hand(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("Rot", "Tilt", "Psi"):
        change("particles.star", "particles", f"rlnAngle{name}", np.zeros_like)
    code, diagnosis = examine("--hand-test")
    assert (code, findings(diagnosis)) == (0, [])
    assert "particles have no orientations yet; refine first" in capsys.readouterr().out


def sample(seed: int, lead: float, n: int = 16, size: int = 12) -> Sample:
    """Volumes with the CTFs of either hand; the images were made with their mean, or nearer to the first."""
    random = np.random.default_rng(seed)
    shell = np.repeat(np.arange(1, size // 2 + 1), 30)
    m = shell.size
    truth = random.normal(size=m) + 1j * random.normal(size=m)
    phase = random.normal(size=(n, m)) + 2.0
    ctf = np.sin([phase + 0.3, phase - 0.3])
    image = np.sin(phase + 0.3 * lead) * truth + 2.0 * (random.normal(size=(n, m)) + 1j * random.normal(size=(n, m)))
    data, ctf2 = (ctf * image).astype(np.complex64), (ctf**2).astype(np.float32)
    return Sample(data, ctf2, shell, np.ones(m), ["TS"] * n, 1.0, size)


def test_z_spreads_as_chance_does_where_neither_hand_is_right() -> None:
    z = np.array([compare_hands(sample(seed, lead=0.0), seed).z() for seed in range(40)])
    assert 0.75 < np.sqrt(np.mean(z**2)) < 1.25
    assert np.abs(z).max() < 3.5


def test_either_hand_is_found_where_it_is_right() -> None:
    for lead in (1.0, -1.0):
        z = [lead * compare_hands(sample(seed, lead, n=32), seed).z() for seed in range(3)]
        assert np.mean(z) > 3


def test_exchanging_the_hands_changes_the_sign_of_z_only() -> None:
    given = sample(3, lead=1.0)
    turned = Sample(given.data[::-1], given.ctf2[::-1], given.shell, given.count, given.owner, 1.0, given.size)
    assert compare_hands(turned, 0).z() == pytest.approx(-compare_hands(given, 0).z(), rel=1e-3)
