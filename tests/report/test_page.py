"""What a report says, of whatever is left of an extraction."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from subtomo.cli import main
from subtomo.errors import InputError
from subtomo.io.star import read_tables, write_tables
from subtomo.model.table import text_array
from subtomo.report.html import command_lines
from subtomo.report.page import WrittenReport, write_report
from tests.report.conftest import WORDS, make_project

Capture = pytest.CaptureFixture[str]
CHARTS = {
    "visible-tilts", "seen-by-tilt", "side-view", "tilt-weights", "summed-weights", "defocus", "directions",
    "polar-angles",
}  # fmt: skip
PHOTOS = {"picks-1", "picks-2", "particle-1", "particle-2", "particle-3"}
HOSTILE = "T<b>$x_1$&\"'"


def page_of(folder: str | Path, **where: Path) -> str:
    """Make a report and read its page, without the pictures inside."""
    return without_pictures(write_report(folder, **where).page)


@pytest.fixture(scope="module")
def page(written: WrittenReport) -> str:
    """The page on ``out/``."""
    return without_pictures(written.page)


def without_pictures(path: Path) -> str:
    """Read a page."""
    text = path.read_text(encoding="utf-8")
    return re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "data:", text)


def test_the_report_has_all_pictures_inside_the_page_and_beside_it(project: Path, written: WrittenReport) -> None:
    assert written.notes == ()
    assert written.page == project / "out" / "report.html"
    names = {path.stem for path in written.pictures}
    assert names == CHARTS | PHOTOS
    assert {path.stem for path in (project / "out" / "report").iterdir()} == names
    for path in written.pictures:
        assert path.suffix == (".svg" if path.stem in CHARTS else ".png")
        if path.stem in CHARTS:
            chart = ElementTree.parse(path).getroot()
            assert len(list(chart.iter("{http://www.w3.org/2000/svg}path"))) > 1
            continue
        pixels = np.asarray(Image.open(path).convert("L"))
        assert pixels.std() > 1  # something is drawn
    assert sum(path.stat().st_size for path in written.pictures) + written.page.stat().st_size < 5e6


def test_the_page_tells_counts_settings_command_and_why_particles_were_left_out(page: str) -> None:
    for words in (
        "of 4 particles extracted",
        "too near the edge of the images",
        "TS_2/4",
        "visible in 0 of 5 tilts, 1 needed",
        "24 and 16 binned pixels",
        "--crop 16",
        "1 extracted, 1 left out",
        "-40° to +40°",
    ):
        assert words in page
    assert "Please note" not in page


def test_the_page_asks_for_nothing_outside_itself(page: str) -> None:
    assert not re.search(r"""(src|href|srcset)=["'](?!data:)""", page)
    assert "url(" not in page
    assert not re.search(r"<script[^>]*\ssrc|import\(|fetch\(|XMLHttpRequest", page)
    assert "default-src 'none'" in page


def test_the_page_runs_its_own_scripts_only_named_by_their_hashes(page: str) -> None:
    policy = re.search(r"script-src ([^;\"]+)", page)
    assert policy is not None
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert policy.group(1).split() == [f"'sha256-{each}'" for each in hashes]


def test_every_picture_has_a_text_that_stands_for_it(page: str) -> None:
    images = re.findall(r"<img [^>]*>", page)
    charts = re.findall(r'<svg [^>]*class="chart"[^>]*>', page)
    assert (len(images), len(charts)) == (len(PHOTOS), len(CHARTS))
    assert all(re.search(r'alt="[^"]{20,}"', image) for image in images)
    assert all(re.search(r'aria-label="[^"]{20,}"', chart) for chart in charts)


def test_the_title_is_the_name_of_the_job(page: str) -> None:
    assert "<title>out · subtomo report</title>" in page
    assert "<h1>out</h1>" in page


def test_a_star_file_of_what_was_left_out_is_named_if_it_is_there(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project, tmp_path / "copy")
    assert "All of them stand in left_out.star" in page_of(tmp_path / "copy" / "out")
    (tmp_path / "copy" / "out" / "left_out.star").unlink()
    assert "left_out.star" not in page_of(tmp_path / "copy" / "out")


def test_a_package_without_metadata_makes_a_page_all_the_same(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_metadata(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("subtomo.report.html.version", no_metadata)
    shutil.copytree(project, tmp_path / "copy")
    assert "Report:" in page_of(tmp_path / "copy" / "out")


@pytest.mark.parametrize(
    ("folder", "told"),
    [("stack", "2-D stacks"), ("whitened", "whitened"), ("zarr", "3-D pseudo-subtomograms")],
)
def test_other_kinds_of_output_are_shown_too(project: Path, folder: str, told: str) -> None:
    page = page_of(folder)
    assert told in page
    assert "Please note" not in page
    assert len(list(Path(folder, "report").glob("particle-*.png"))) == 3


def test_missing_tilt_images_are_named_and_the_rest_is_shown(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project, tmp_path / "copy")
    (tmp_path / "copy" / "TS_1.mrcs").unlink()
    page = page_of(tmp_path / "copy" / "out")
    assert "Tilt images are not shown" in page
    assert "TS_1.mrcs" in page
    assert "Sample particles" in page
    assert "CTF and dose weights" in page
    assert "Particles on the tilt images" not in page


def test_a_moved_output_folder_is_shown_if_the_project_is_named(project: Path, tmp_path: Path) -> None:
    shutil.copytree("out", tmp_path / "elsewhere")
    assert "Please note" not in page_of(tmp_path / "elsewhere", project=project)


@pytest.mark.parametrize("name", ["out", "zarr"])
def test_input_files_are_those_that_the_account_names(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shutil.copytree(project, tmp_path / "copy")
    account = tmp_path / "copy" / name / "extraction_summary.json"
    plain = json.loads(account.read_text())
    assert plain["inputs"]["particles"] == "particles.star"
    assert plain["project"] == ".."
    # neither the command nor the present folder nor the name of the output folder leads to the project
    account.write_text(json.dumps({**plain, "command": [], "output_dir": str(tmp_path / "copy" / name) + "/"}))
    monkeypatch.chdir(tmp_path)
    assert write_report(tmp_path / "copy" / name).notes == ()


def test_an_output_folder_may_be_a_link_to_another_disk(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    (tmp_path / "disk").mkdir()
    (copy / "out").rename(tmp_path / "disk" / "there")
    (copy / "out").symlink_to(tmp_path / "disk" / "there")
    monkeypatch.chdir(tmp_path)
    assert write_report(copy / "out").notes == ()


def test_an_account_alone_makes_a_page_that_says_what_is_missing(project: Path, tmp_path: Path) -> None:
    shutil.copy("out/extraction_summary.json", tmp_path)
    page = page_of(tmp_path, project=tmp_path)
    assert "nothing is known of single particles" in page
    assert "Tilt images are not shown" in page
    assert "too near the edge of the images" in page


def test_particle_files_that_are_gone_are_told_once(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "out" / "Subtomograms")
    assert page_of(tmp_path / "copy" / "out").count("A sample particle cannot be shown") == 1


def test_names_are_escaped_in_text_and_are_no_formulas_in_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    for file in ("tomograms.star", "particles.star", "TS_1.star"):
        tables = [
            table.renamed(HOSTILE if table.name == "TS_1" else table.name)
            for table in read_tables(file)
        ]  # fmt: skip
        for i, table in enumerate(tables):
            if "rlnTomoName" in table:
                names = [HOSTILE if name == "TS_1" else name for name in table.text("rlnTomoName").tolist()]
                tables[i] = table.with_column("rlnTomoName", text_array(names))
        write_tables(file, tables)
    assert main((*WORDS, "--o", "out/")) == 0
    page = page_of("out/")
    assert "<b>$x_1$" not in page
    assert "T&lt;b&gt;$x_1$&amp;&#34;&#39;" in page


def test_a_report_made_from_any_folder_is_whole_and_replaces_the_pictures_of_an_earlier_one(
    extracted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = extracted / "out" / "report"
    folder.mkdir(exist_ok=True)
    (folder / "particle-9.png").write_bytes(b"old")
    (folder / "mine.png").write_bytes(b"mine")
    monkeypatch.chdir(tmp_path)
    assert write_report(extracted / "out").notes == ()
    assert not (folder / "particle-9.png").exists()
    assert (folder / "mine.png").read_bytes() == b"mine"
    (folder / "mine.png").unlink()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"output_dir": 3, "n_particles": "x"}'])
def test_a_folder_without_a_usable_account_is_refused(tmp_path: Path, text: str, capsys: Capture) -> None:
    if text:
        (tmp_path / "extraction_summary.json").write_text(text)
    with pytest.raises(InputError, match=r"extraction_summary\.json"):
        write_report(tmp_path)
    assert main(("report", str(tmp_path))) == 1
    assert "extraction_summary.json" in capsys.readouterr().err


def test_commands_can_be_pasted_into_a_shell() -> None:
    assert command_lines(("subtomo", "extract", "--t", "my tomograms.star", "--no_ic")) == (
        "subtomo extract \\\n    --t 'my tomograms.star' \\\n    --no_ic"
    )
