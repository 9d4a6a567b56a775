"""Extraction into files: what is written, when, and what is taken back."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from subtomo.errors import InputError, SettingsError
from subtomo.extraction.plan import plan_extraction
from subtomo.extraction.sequence import PseudoSubtomograms
from subtomo.io.relion import OptimisationSet
from subtomo.io.star import find_table, read_tables
from subtomo.jobs.extract import ExtractionJob, RunContext, extract, run_job
from subtomo.jobs.progress import Silent
from subtomo.model.account import ExtractionSummary
from subtomo.model.settings import ExtraFile, Output, OutputSettings
from subtomo.model.subtomogram import PseudoSubtomogram
from subtomo.output.layout import OutputLayout
from tests.helpers.builders import SETTINGS
from tests.helpers.options import refused
from tests.helpers.project import edit, read_project, write_project

EVERYTHING = OutputSettings(
    extra_files=ExtraFile.CTF2 | ExtraFile.MULTIPLICITY | ExtraFile.DIVIDED | ExtraFile.NORMALISED, write_sums=True
)


def run(folder: Path, *, output: OutputSettings | None = None, threads: int = 1, motion: bool = False) -> Path:
    tomograms, particles = read_project(folder, motion=motion)
    extract(tomograms, particles, SETTINGS, "out", output=output, context=RunContext(threads=threads))
    return folder / "out"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def poison(folder: Path, name: str, *, tilt: int) -> None:
    """Make a pixel near the middle of one tilt of a stack not a number."""
    with mrcfile.open(folder / f"{name}.mrcs", mode="r+", permissive=True) as stack:
        stack.data[tilt, 45, 55] = np.nan


def test_threads_write_the_same_bytes_as_one(project: Path) -> None:
    serial = contents(run(project, output=EVERYTHING, threads=1))
    assert len(serial) == 4 * 7 + 3 + 2 + 1, "particles, sums, STAR files, journal"
    (project / "out").rename(project / "serial")
    assert contents(run(project, output=EVERYTHING, threads=2)) == serial


def test_files_hold_what_the_lazy_sequence_gives(project: Path) -> None:
    out = run(project)
    tomograms, particles = read_project(project)
    for item in PseudoSubtomograms(tomograms, particles, SETTINGS):
        assert isinstance(item, PseudoSubtomogram)
        root = out / "Subtomograms" / item.name
        np.testing.assert_array_equal(mrcfile.read(f"{root}_data.mrc"), item.data)
        weights = mrcfile.read(f"{root}_weights.mrc")
        np.testing.assert_array_equal(weights, np.concatenate([item.ctf2, item.multiplicity]))


def test_sums_are_the_sums_of_the_particles(project: Path) -> None:
    out = run(project, output=EVERYTHING)
    total = sum(mrcfile.read(path).astype(np.float64) for path in out.glob("Subtomograms/*/*_data.mrc"))
    np.testing.assert_allclose(mrcfile.read(out / "sum_data.mrc"), total, rtol=1e-6, atol=1e-6 * np.abs(total).max())
    weight = sum(mrcfile.read(path).astype(np.float64) for path in out.glob("Subtomograms/*/*_CTF2.mrc"))
    np.testing.assert_allclose(mrcfile.read(out / "sum_weight.mrc"), weight, rtol=1e-5)


def test_the_summary_counts_what_there_is(project: Path) -> None:
    edit(project / "particles.star", "particles", rlnTomoName=["TS_1", "TS_1", "TS_2", "TS_9"])
    tomograms, particles = read_project(project)
    summary = extract(tomograms, particles, SETTINGS, "out/")
    assert isinstance(summary, ExtractionSummary)
    assert (summary.n_particles, summary.n_extracted, summary.n_written_files) == (4, 3, 6)
    assert summary.bytes_written == sum(path.stat().st_size for path in (project / "out").rglob("*.mrc"))
    assert summary.star_file == "out/particles.star"
    (entry,) = summary.left_out
    assert (entry.name, entry.tomogram) == ("TS_2/4", "TS_9")
    assert summary.warnings == ("1 particle(s) belong to unknown tomograms and are left out: TS_9",)


def test_the_particle_file_names_files_that_exist(project: Path) -> None:
    out = run(project)
    table = find_table(read_tables(out / "particles.star"), "particles")
    assert table is not None
    assert len(table) == 4
    for label in ("rlnImageName", "rlnCtfImage"):
        assert all((project / name).is_file() for name in table.text(label).tolist())


def test_star_files_come_after_all_volumes(project: Path) -> None:
    out = run(project)
    last_volume = max(path.stat().st_mtime_ns for path in out.rglob("*.mrc"))
    assert (out / "particles.star").stat().st_mtime_ns >= last_volume
    assert (out / "optimisation_set.star").stat().st_mtime_ns >= (out / "particles.star").stat().st_mtime_ns


@pytest.mark.parametrize("threads", [1, 2])
def test_a_bad_pixel_costs_only_the_particles_that_it_lies_in(project: Path, threads: int) -> None:
    poison(project, "TS_2", tilt=3)
    tomograms, particles = read_project(project)
    summary = extract(tomograms, particles, SETTINGS, "out", context=RunContext(threads=threads))
    names = [failure.particle for failure in summary.failures]
    assert names == ["TS_2/3", "TS_2/4"]
    told = r"particle TS_2/3: tilt 4 of tomogram TS_2 .*TS_2\.star.*nan at x 55, y 45"
    assert re.match(told, summary.failures[0].error)
    assert (summary.n_extracted, summary.n_particles, summary.left_out) == (2, 4, ())
    table = find_table(read_tables("out/particles.star"), "particles")
    assert table is not None
    assert table.text("rlnTomoParticleName").tolist() == ["TS_1/1", "TS_1/2"]
    assert not list((project / "out").rglob("*.tmp"))


def test_an_earlier_runs_star_files_are_gone_when_a_new_one_is_stopped(project: Path) -> None:
    out = run(project)
    for name in ("motion.star", "particles_for_class2d.star", "extraction_summary.json"):
        (out / name).write_text("old")

    def stop(name: str) -> None:
        raise InputError("enough")

    with pytest.raises(InputError, match="enough"):
        extract(*read_project(project), SETTINGS, "out", context=RunContext(before_series=stop))
    assert [path.name for path in out.iterdir() if path.is_file()] == []


def test_an_unusable_image_is_found_before_anything_is_touched(project: Path) -> None:
    before = contents(run(project))
    stack = (project / "TS_2.mrcs").read_bytes()
    (project / "late.mrcs").write_bytes(stack[:-100])
    edit(project / "TS_2.star", "TS_2", rlnMicrographName=[*(f"{i}@TS_2.mrcs" for i in (1, 2, 3, 4)), "5@late.mrcs"])
    tomograms, particles = read_project(project)
    with pytest.raises(InputError, match=r"late\.mrcs: .*truncated"):
        extract(tomograms, particles, SETTINGS, "out")
    assert contents(project / "out") == before


@pytest.mark.parametrize("name", ["particles.star", "motion.star", "optimisation_set.star"])
def test_an_output_folder_whose_files_are_inputs_is_refused(project: Path, name: str) -> None:
    before = contents(project)
    tomograms, particles = read_project(project)
    files = OptimisationSet(particles=f"./{name}")
    with pytest.raises(SettingsError, match=rf"{name} is an input and would be overwritten"):
        extract(tomograms, particles, SETTINGS, str(project), context=RunContext(files))
    assert contents(project) == before


def test_an_input_behind_a_link_is_recognised(project: Path) -> None:
    (project / "out").symlink_to(project)
    tomograms, particles = read_project(project)
    with pytest.raises(SettingsError, match=r"out/particles\.star is an input"):
        extract(tomograms, particles, SETTINGS, "out")
    assert (project / "particles.star").exists()


def test_a_file_in_the_way_of_the_output_folder_is_named(project: Path) -> None:
    (project / "out").write_text("a file")
    with pytest.raises(InputError, match=r"out.*a file is in its way"):
        run(project)


def test_an_empty_output_folder_name_is_not_the_root_of_the_system(project: Path) -> None:
    plan = plan_extraction(*read_project(project), SETTINGS)
    with pytest.raises(SettingsError, match="output folder"):
        OutputLayout.of(plan, "")


def test_files_that_exist_are_left_alone_on_request(project: Path) -> None:
    out = run(project)
    kept, missing = out / "Subtomograms/TS_1/1_data.mrc", out / "Subtomograms/TS_2/3_data.mrc"
    mine = bytes(kept.stat().st_size)
    kept.write_bytes(mine)
    missing.unlink()
    run(project, output=OutputSettings(skip_existing=True))
    assert kept.read_bytes() == mine
    assert missing.exists()
    assert (out / "particles.star").exists()


def test_sums_alone_write_no_particles(project: Path) -> None:
    out = run(project, output=OutputSettings(write_particles=False, write_sums=True))
    assert sorted(path.name for path in out.rglob("*.mrc")) == ["sum_data.mrc", "sum_div.mrc", "sum_weight.mrc"]


def test_sums_of_stacks_are_refused(project: Path) -> None:
    tomograms, particles = read_project(project)
    stacks = replace(SETTINGS, output=Output.STACK_2D)
    with refused("--sum"):
        extract(tomograms, particles, stacks, "out", output=OutputSettings(write_sums=True))


def test_trajectories_are_written_again_only_if_particles_are_missing(project: Path) -> None:
    assert not (run(project, motion=True) / "motion.star").exists()
    edit(project / "particles.star", "particles", rlnTomoName=["TS_1", "TS_9", "TS_2", "TS_2"])
    motion = read_tables(run(project, motion=True) / "motion.star")
    assert [table.name for table in motion] == ["general", "TS_1/1", "TS_2/3", "TS_2/4"]
    assert motion[0].text("rlnParticleNumber").tolist() == ["3"]


def test_a_run_that_is_stopped_before_a_tomogram_leaves_no_star_files(project: Path) -> None:
    def stop_at_second(name: str) -> None:
        if name == "TS_2":
            raise InputError("enough")

    tomograms, particles = read_project(project)
    with pytest.raises(InputError, match="enough"):
        extract(tomograms, particles, SETTINGS, "out", context=RunContext(threads=2, before_series=stop_at_second))
    assert not list((project / "out").glob("*.star"))


def test_the_optimisation_set_that_was_read_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    text = "data_\n\n_rlnTomoParticlesFile particles.star\n_rlnTomoTomogramsFile tomograms.star\n"
    (tmp_path / "out" / "optimisation_set.star").write_text(text)
    job = ExtractionJob("out", SETTINGS, optimisation_set_file="out/optimisation_set.star")
    with pytest.raises(SettingsError, match=r"out/optimisation_set\.star is an input"):
        run_job(job, Silent())
    assert (tmp_path / "out" / "optimisation_set.star").read_text() == text
