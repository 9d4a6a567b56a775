"""Every script in examples/ runs, in a small size; its numbers are right and its pictures show something."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from matplotlib.image import imread
from scipy.spatial.transform import Rotation

from subtomo.cli import main as subtomo
from subtomo.io.mrc_read import read_volume
from subtomo.io.mrc_write import write_mrc
from subtomo.io.star import write_tables
from subtomo.model.table import Table, text_array
from subtomo.physics.fsc import shell_correlation
from subtomo.simulation.particle import GaussianParticle, random_particle
from tests.docs import check_site

TESTED_ELSEWHERE = {"vesicle", "studded_vesicle", "refine_with_relion"}
"""By tests/examples and tests/acceptance."""


def load(repository: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Run a script as a module of its own, as imported ones are."""
    specification = importlib.util.spec_from_file_location(name, repository / "examples" / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, name, module)  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


def assert_shows_something(picture: Path) -> None:
    pixels = imread(picture)
    assert min(pixels.shape[:2]) > 100
    assert len(np.unique(pixels[..., :3].reshape(-1, 3), axis=0)) > 50, f"{picture.name} is empty"


def test_every_example_is_tested_and_in_the_gallery(repository: Path) -> None:
    names = {path.stem for path in (repository / "examples").glob("*.py")}
    here = Path(__file__).read_text(encoding="utf-8")
    gallery = (repository / "docs" / "gallery.md").read_text(encoding="utf-8")
    assert {name for name in names - TESTED_ELSEWHERE if f'"{name}"' not in here} == set()
    assert {name for name in names if f"`{name}.py`" not in gallery} == set()


def test_the_average_of_a_known_structure_agrees_with_the_truth_as_its_half_maps_foretell(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = load(repository, "known_answer", monkeypatch)
    example.simulate(tmp_path, side=5, n_tilts=17, snr=0.05)
    curves = example.average(tmp_path)
    example.draw(tmp_path, curves)
    assert curves["truth"][1:8].min() > 0.85
    assert np.abs(curves["truth"] - curves["foretold"])[1:10].max() < 0.1
    assert example.resolution(curves["half maps"], 0.143) < 16.0
    assert example.resolution(curves["truth"], 0.5) < 16.0
    assert_shows_something(tmp_path / "fsc.png")
    assert_shows_something(tmp_path / "maps.png")
    assert_shows_something(tmp_path / "surfaces.png")


def test_the_notebook_runs_from_reading_to_writing(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["notebook.py", str(tmp_path / "out")])
    notebook = load(repository, "notebook", monkeypatch)
    printed = capsys.readouterr().out
    shown = (repository / "docs" / "howto" / "notebook.md").read_text(encoding="utf-8")
    for line in printed.splitlines():
        assert line.replace(str(tmp_path / "out"), "OUT") in shown
    # the average of a hundred stands out where the ribosome is
    side = len(notebook.average)
    radius = np.sqrt(sum(np.square(axis - side // 2) for axis in np.indices((side,) * 3)))
    assert notebook.average[radius < 8].mean() > notebook.average[radius > 20].mean() + 3 * notebook.average.std()
    assert len(list((tmp_path / "out" / "Extract").rglob("*_data.mrc"))) == notebook.summary.n_extracted
    assert_shows_something(tmp_path / "out" / "notebook.png")


def test_ribosomes_that_were_extracted_are_averaged_and_drawn(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository / "examples" / "empiar-10499")
    lines = Path("particles.star").read_text(encoding="utf-8").splitlines(keepends=True)
    rows = [i for i, line in enumerate(lines) if "TS_254" in line]
    few = tmp_path / "few.star"
    few.write_text("".join(lines[: rows[150]]), encoding="utf-8")
    sizes = "--b 48 --crop 24 --bin 2 --no-report"
    assert subtomo(f"extract --t tomograms.star --p {few} {sizes} --o {tmp_path}/".split()) == 0
    load(repository, "ribosome_average", monkeypatch).main(tmp_path)
    halves = [read_volume(tmp_path / "average" / f"half{half}.mrc")[0] for half in (1, 2)]
    assert shell_correlation(*halves)[1:4].min() > 0.6
    assert_shows_something(tmp_path / "average.png")
    assert_shows_something(tmp_path / "surface.png")


def test_maps_before_and_after_refinement_are_compared_with_another_one(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    example, size, voxel = load(repository, "refined_ribosomes", monkeypatch), 32, 10.0
    monkeypatch.setattr(example, "N_ORIENTATIONS", 2000)
    random = np.random.default_rng(1)
    particle = random_particle(60, 8.0, 1.5, random)

    def write(name: str, values: np.ndarray, voxel: float = voxel) -> None:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        write_mrc(path, np.fft.fftshift(values).astype(np.float32), pixel_size_angstrom=voxel)

    def volume(one: GaussianParticle, side: int) -> np.ndarray:
        return np.fft.irfftn(one.volume_values(side), s=(side,) * 3, axes=(0, 1, 2))

    true = volume(particle, size)
    for name in ("average/filtered", "average/half1", "average/half2", "refine/run_class001"):
        write(f"{name}.mrc", true + 0.02 * true.std() * random.normal(size=true.shape))
    for half in (1, 2):
        write(f"refine/run_half{half}_class001_unfil.mrc", true)
    write("refine/mask.mrc", np.ones_like(true))
    curve = {"rlnResolution": np.arange(17) / (size * voxel), "rlnFourierShellCorrelationCorrected": np.ones(17)}
    for folder in ("average", "refine"):
        table = Table(
            "fsc", {label: text_array([f"{value:.4f}" for value in values]) for label, values in curve.items()}
        )
        write_tables(tmp_path / folder / "fsc.star", [table])
    turned = particle.moved(Rotation.from_rotvec([0.9, -0.4, 1.2]).as_matrix(), np.array([0.7, -0.5, 0.3]))
    write("other.mrc", volume(turned, 40))
    monkeypatch.setattr(sys, "argv", ["refined_ribosomes", str(tmp_path), "--map", str(tmp_path / "other.mrc")])
    example.main()
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("other, refined"))
    assert float(line.split()[2]) > 0.95
    assert_shows_something(tmp_path / "refined-surface.png")
    assert_shows_something(tmp_path / "refined-fsc.png")


def test_a_pose_search_gets_nearer_to_the_truth(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = load(repository, "pose_search", monkeypatch)
    monkeypatch.setattr(example, "CHOSEN", ("RELION", "whitened, exact"))  # stacks take as long as both
    errors = example.align(0, snr=0.3)
    start = errors.pop("start")
    assert set(errors) == {"RELION", "whitened, exact"}
    for kind, error in errors.items():
        assert error.angle_deg < 0.8 * start.angle_deg, kind
        assert error.shift_px < 0.3 * start.shift_px, kind


def test_the_pictures_of_the_theory_show_what_its_page_says(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    example = load(repository, "theory_pictures", monkeypatch)
    example.draw_damping(tmp_path, radii=np.array([16.0]))
    example.draw_weights(tmp_path)
    found = [float(line.split()[-1]) for line in capsys.readouterr().out.splitlines()]
    assert found == [pytest.approx(0.81, abs=0.005), pytest.approx(1.0, abs=0.005), pytest.approx(1.0, abs=0.005)]
    example.draw_noise(tmp_path, n_particles=4)
    before, after = (float(line.split()[-1]) for line in capsys.readouterr().out.splitlines())
    assert after < 0.2 < 0.6 < before
    for name in ("damping", "weights", "noise"):
        assert_shows_something(tmp_path / f"theory-{name}.png")


def test_the_pictures_of_the_conventions_are_drawn(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(repository, "convention_pictures", monkeypatch).main(tmp_path)
    for name in ("axes", "centres", "euler", "hand"):
        assert_shows_something(tmp_path / f"conventions-{name}.png")


def test_pictures_in_the_docs_are_all_shown_and_have_a_text_in_their_place(repository: Path) -> None:
    pages = {path: path.read_text(encoding="utf-8") for path in (repository / "docs").rglob("*.md")}
    shown = {link.rsplit("/", 1)[-1] for text in pages.values() for link, _ in check_site.pictures(text)}
    assert {path.name for path in (repository / "docs" / "images").iterdir()} - shown == set()
    assert [caption for text in pages.values() for _, caption in check_site.pictures(text) if not caption] == []


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://example.org/x.js"></script>',
        "<link rel='stylesheet' href='//example.org/x.css'>",
        '<img alt="" src="http://example.org/x.png">',
        '<link rel=preconnect href=https://example.org>',
        "<style>@import url(https://example.org/x.css)</style>",
    ],
)  # fmt: skip
def test_pages_that_ask_for_the_network_are_found(html: str, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(f'<a href="https://example.org">fine</a>{html}', encoding="utf-8")
    assert len(check_site.outside_requests(tmp_path)) == 1


def test_links_to_other_sites_are_no_requests(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text('<a href="https://example.org">fine</a><img src="x.png">', encoding="utf-8")
    assert check_site.outside_requests(tmp_path) == []
