"""Nouns at a prompt and in a notebook: short, and without their arrays."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from subtomo.averaging.average import AverageSettings
from subtomo.extraction.sequence import PseudoSubtomograms
from subtomo.model.account import ExtractionSummary
from subtomo.model.manifold import Manifold, ManifoldSample, ManifoldSet, SamplingSettings, Sphere
from subtomo.model.noise import NoiseLevels
from subtomo.model.notebook import central_planes, central_sections
from subtomo.model.resolution import GuinierCurves, ResolutionCurves
from subtomo.model.settings import Cone, ExtractionSettings, ExtraFile, Output, OutputSettings
from subtomo.model.subtomogram import PseudoSubtomogram
from subtomo.model.table import Table, text_array
from subtomo.model.tilt_series import Deformation
from subtomo.simulation.conditions import Conditions
from tests.helpers.builders import SETTINGS, particle_set, tomogram, tomogram_set

N = 3000


def sequence(**changes: Any) -> PseudoSubtomograms:
    tomograms = tomogram_set(tomogram("TS_1"), tomogram("TS_2"))
    return PseudoSubtomograms(tomograms, particle_set(["TS_1", "TS_2"] * 3 + ["TS_9"]), replace(SETTINGS, **changes))


def nouns() -> dict[str, tuple[Any, str]]:
    """Give a noun of every kind, and what it must say."""
    made, shells = sequence(), np.linspace(0.0, 0.1, 33)
    curve = np.linspace(1, 0, 33)
    sphere = Manifold(4, Sphere(np.zeros(3), 30.0))
    curves = ResolutionCurves(5.0, shells, curve, curve, curve, curve, 20)
    return {
        "particles": (particle_set(["TS_1"] * N), "3000 particles of 1 tilt series (TS_1)"),
        "no particles": (particle_set([]), "0 particles of 0 tilt series"),
        "halves": (particle_set(["TS_1"] * 4, half_set=np.array([1, 2, 2, 0])), "half sets 1 + 2"),
        "tomograms": (tomogram_set(), "1 tilt series (TS_1)"),
        "series": (tomogram(n_tilts=400), "TS_1, 400 tilts of 110 x 90 pixels of 5 Å"),
        "tilts": (tomogram(n_tilts=400).tilts, "400 tilts"),
        "deformation": (Deformation("linear", (2, 2), (np.zeros(500),) * 40), "linear, grid 2 x 2, 40 images"),
        "plan": (made.plan, "6 of 7 particles to be made from 2 tilt series; left out 1"),
        "series plan": (made.plan.series[0], "3 particles of TS_1; visible in 5 to 5 of 5 tilts"),
        "sequence": (made, "6 volumes of 2 tilt series, computed when they are asked for"),
        "slice": (made[:3], "3 of 6 items (TS_1/1, TS_1/3, TS_1/5)"),
        "item": (made[0], "TS_1/1, 16³ voxels of 5 Å; visible in 5 of 5 tilts"),
        "stack": (sequence(output="stack_2d")[0], "TS_1/1, 5 images of 16 x 16 pixels"),
        "settings": (ExtractionSettings(96, 48, weighting="whitened"), "weighting='whitened'"),  # type: ignore[arg-type]
        "output": (OutputSettings(), "OutputSettings()"),
        "table": (Table("particles", {"rlnTomoName": text_array(["TS_1"] * N)}), "data_particles, 3000 rows"),
        "manifolds": (ManifoldSet({"TS_1": (sphere,)}), "1 manifolds in 1 tomograms"),
        "sample": (ManifoldSample(sphere, np.zeros((N, 3)), np.zeros((N, 3))), "3000 particles on sphere 4"),
        "curves": (curves, "33 shells, 5 Å per voxel"),
        "guinier": (GuinierCurves(shells, curve, curve), "33 shells; B factor not fitted"),
        "noise": (NoiseLevels(curve, curve, curve), "33 shells"),
        "account": (
            ExtractionSummary("out/", SETTINGS, N, 2000, left_out=made.plan.left_out * 1000),
            "2000 of 3000 particles extracted into out/; written 0 files, 0 MB, 0.0 s; left out 1000",
        ),
    }


@pytest.mark.parametrize("kind", list(nouns()))
def test_a_noun_says_what_it_is_in_at_most_two_lines(kind: str) -> None:
    noun, says = nouns()[kind]
    shown = repr(noun)
    assert says in shown
    assert len(shown) <= 320
    assert len(shown.splitlines()) <= 2
    assert "array(" not in shown


@pytest.mark.parametrize("kind", [kind for kind in nouns() if kind not in ("settings", "output")])
def test_a_notebook_gets_the_facts_as_a_table(kind: str) -> None:
    noun, says = nouns()[kind]
    shown = noun._repr_html_()
    assert says.partition(";")[0].split()[-1] in shown
    assert shown.count("<table>") == shown.count("</table>") == 1


@pytest.mark.parametrize(
    "settings",
    [
        ExtractionSettings(96),
        ExtractionSettings(96, 48, binning=1.5, output=Output.STACK_2D, max_dose_e_per_a2=60.0),
        ExtractionSettings(64, cone=Cone(sigma_px=3.0), circle_crop=("patch", "slice")),  # type: ignore[arg-type]
        ExtractionSettings(64, data_term="exact", weighting="whitened"),  # type: ignore[arg-type]
        OutputSettings(extra_files=ExtraFile.CTF2 | ExtraFile.DIVIDED, snr=0.1),
        OutputSettings(extra_files=ExtraFile.CTF2),
        SamplingSettings(50.0, 0.0, 90.0),
        AverageSettings("D2", seed=3),
        Conditions(box_size=64),
    ],
)
def test_settings_show_the_call_that_makes_them(settings: Any) -> None:
    assert eval(repr(settings)) == settings


def images(shown: str) -> list[Image.Image]:
    found = re.findall(r"base64,([A-Za-z0-9+/=]+)", shown)
    return [Image.open(io.BytesIO(base64.b64decode(each))) for each in found]


def test_a_particle_shows_central_sections_of_data_and_ctf2() -> None:
    item = sequence()[0]
    shown = images(item._repr_html_())
    assert len(shown) == 2
    assert all(image.width == 3 * image.height + 6 and np.ptp(np.asarray(image)) > 100 for image in shown)
    assert len(images(sequence(output="stack_2d")[0]._repr_html_())) == 1


def panel(png: bytes, number: int) -> NDArray[Any]:
    """Give one panel of a row, its first row at the bottom."""
    image = np.asarray(Image.open(io.BytesIO(png)))
    side = image.shape[0]
    return image[:, number * (side + 3) : number * (side + 3) + side][::-1]


def test_sections_are_cut_through_the_middle_with_the_first_row_below() -> None:
    volume = np.zeros((16, 16, 16), np.float32)
    volume[8, 3, 12] = 1.0
    xy = panel(central_sections(volume), 0)
    row, column = np.unravel_index(xy.argmax(), xy.shape)
    assert (int(row * 16 / len(xy)), int(column * 16 / len(xy))) == (3, 12)


def test_planes_of_a_half_transform_are_completed_by_their_mirror_image() -> None:
    full = np.abs(np.fft.fftn(np.random.default_rng(1).normal(size=(16, 16, 16)))).astype(np.float32)
    expected = central_sections(np.fft.fftshift(full))
    found = central_planes(full[:, :, :9])
    for number in range(2):
        np.testing.assert_allclose(panel(found, number)[:, 21:], panel(expected, number)[:, 21:], atol=2)


def test_values_that_are_no_numbers_do_not_keep_a_particle_from_being_shown() -> None:
    item = sequence()[0]
    assert isinstance(item, PseudoSubtomogram)
    for broken in (np.full_like(item.data, np.nan), np.zeros_like(item.data)):
        assert len(images(replace(item, data=broken)._repr_html_())) == 2


def test_names_of_files_are_no_markup() -> None:
    shown = replace(particle_set(["TS_1"]), source="<script>x</script>.star")._repr_html_()
    assert "<script>" not in shown
