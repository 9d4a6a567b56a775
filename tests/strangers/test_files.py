"""Names, line ends and formats as other programs write them: read as RELION reads them, or refused with the reason."""

from __future__ import annotations

import gzip
import os
import re
import shutil
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import tifffile

from subtomo.io.mrc_read import SummedVolume, read_volume
from subtomo.io.relion import read_tomograms
from subtomo.io.star import read_tables
from tests.strangers.conftest import change_column, doctor, edit, extract, replaced, told, volumes

STACK, TILTS = "TS_254.mrcs", "tilt_series/TS_254.star"
Errors = pytest.CaptureFixture[str]


def in_one_file(name: str) -> None:
    """Name the stack for the whole series in the tomogram set."""
    edit(
        "tomograms.star",
        lambda text: re.sub(
            r"(?m)^TS_254.*$",
            lambda row: f"{row[0]} {name} 41",
            text.replace(
                "_rlnTomoSizeZ #12\n", "_rlnTomoSizeZ #12\n_rlnTomoTiltSeriesName #13\n_rlnTomoFrameCount #14\n"
            ),
        ),
    )


@pytest.mark.parametrize(
    ("named", "file"),
    [
        ("@TS_254.mrcs:mrcs", STACK),
        ("@TS_254.ali:mrcs", "TS_254.ali"),
        ("@TS_254.st:mrcs", "TS_254.st"),
        ("@TS_254.rec:MRCS", "TS_254.rec"),
    ],
)
@pytest.mark.usefixtures("project")
def test_s1_a_format_behind_the_last_colon_is_not_part_of_the_name(
    named: str, file: str, untouched: dict[str, bytes]
) -> None:
    if file != STACK:
        Path(STACK).rename(file)
    replaced(TILTS, "@TS_254.mrcs", named)
    code, findings = doctor()
    assert (code, findings) == (0, [])
    assert extract() == 0
    assert volumes() == untouched


@pytest.mark.parametrize("named", ["TS_254.st:mrc", "TS_254.mrcs:mrcs", "TS_254.ali:mrc"])
@pytest.mark.usefixtures("project")
def test_s1_so_it_is_for_the_file_of_a_whole_series(named: str, untouched: dict[str, bytes]) -> None:
    Path(STACK).rename(named.partition(":")[0])
    in_one_file(named)
    assert doctor()[0] == 0
    assert extract() == 0
    assert volumes() == untouched


@pytest.mark.usefixtures("project")
def test_s1_and_for_tomograms_halves_masks_and_references() -> None:
    with mrcfile.new("half.rec") as file:
        file.set_data(np.ones((4, 6, 8), np.float32))
    assert read_volume("half.rec:mrc")[0].shape == (4, 6, 8)
    edit(
        "tomograms.star",
        lambda text: re.sub(
            r"(?m)^TS_254.*$",
            lambda row: f"{row[0]} half.rec:mrc half.rec:mrc 4.0",
            text.replace(
                "_rlnTomoSizeZ #12\n",
                "_rlnTomoSizeZ #12\n_rlnTomoReconstructedTomogramHalf1\n_rlnTomoReconstructedTomogramHalf2\n"
                "_rlnTomoTomogramBinning\n",
            ),
        ),
    )
    reconstruction = read_tomograms("tomograms.star")[0].reconstruction
    assert reconstruction is not None
    assert isinstance(reconstruction.volume, SummedVolume)
    assert reconstruction.volume.shape == (4, 6, 8)
    assert (reconstruction.volume.read() == 2).all()
    assert doctor()[0] == 0


@pytest.mark.parametrize("name", ["a:b.mrcs", "100%.mrcs", "a#b.mrcs", "d%x/s.mrcs", "d:x/s.mrcs"])
@pytest.mark.usefixtures("project")
def test_s1_s13_names_that_relion_cannot_open_are_refused(name: str, capsys: Errors) -> None:
    Path(name).parent.mkdir(exist_ok=True)
    Path(STACK).rename(name)
    replaced(TILTS, "TS_254.mrcs", name)
    assert extract() == 1
    assert "RELION takes" in capsys.readouterr().err
    code, findings = doctor()
    assert code == 1
    assert "RELION takes" in told(findings, "error")


@pytest.mark.parametrize("between", ["\n", "\n\n \t\n", "# a comment\n", "\n# a comment\n\n"])
@pytest.mark.parametrize("path", ["tomograms.star", "particles.star", TILTS])
@pytest.mark.usefixtures("project")
def test_s2_blank_lines_and_comments_before_the_first_row_are_skipped(
    path: str, between: str, untouched: dict[str, bytes]
) -> None:
    edit(path, lambda text: re.sub(r"(?m)^((?:_\S+.*\n)+)(?=[^_\n])", rf"\1{between}", text))
    assert doctor() == (0, [])
    assert extract() == 0
    assert volumes() == untouched


@pytest.mark.usefixtures("project")
def test_s2_a_table_that_follows_leaves_an_empty_one() -> None:
    Path("x.star").write_text("data_a\n\nloop_\n_x #1\n_y #2\n\n# none\n\ndata_b\n\nloop_\n_z\n\n1\n", encoding="utf-8")
    tables = read_tables("x.star")
    assert [(table.name, table.labels, len(table)) for table in tables] == [("a", ("x", "y"), 0), ("b", ("z",), 1)]


@pytest.mark.usefixtures("project")
def test_s12_a_table_without_a_name_is_to_be_renamed(capsys: Errors) -> None:
    replaced("particles.star", "data_particles", "data_")
    assert extract() == 1
    assert "found data_ with 10 row(s), a table without a name" in capsys.readouterr().err
    assert "rename it to data_particles" in told(doctor()[1])
    replaced("tomograms.star", "data_global", "data_")
    assert "rename it to data_global" in told(doctor()[1])


@pytest.mark.usefixtures("project")
def test_s12_a_list_of_particle_files_is_called_by_its_name(capsys: Errors) -> None:
    Path("list.star").write_text(
        "data_\n\nloop_\n_rlnTomoName #1\n_rlnTomoImportParticleFile #2\nTS_254 picks/TS_254.star\n", encoding="utf-8"
    )
    assert extract("--p", "list.star") == 1
    message = capsys.readouterr().err
    assert (
        "this is a list of particle files (rlnTomoImportParticleFile); give one of them: picks/TS_254.star" in message
    )


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.float32])
@pytest.mark.parametrize("one_file", [True, False], ids=["stack", "images"])
@pytest.mark.usefixtures("project")
def test_s13_tiff_images_are_read_with_the_rows_in_relions_order(
    dtype: type, one_file: bool, untouched: dict[str, bytes]
) -> None:
    images = mrcfile.read(STACK)
    assert images.dtype == np.int8
    if one_file:
        tifffile.imwrite("TS.tif", images[:, ::-1].astype(dtype), photometric="minisblack")
        replaced(TILTS, "@TS_254.mrcs", "@TS.tif")
    else:
        for number, image in enumerate(images, 1):
            tifffile.imwrite(f"{number}.tiff", image[::-1].astype(dtype), photometric="minisblack", compression="lzw")
        edit(TILTS, lambda text: re.sub(r"0*(\d+)@TS_254\.mrcs", r"\1.tiff", text))
    os.remove(STACK)
    assert doctor()[0] == 0
    assert extract() == 0
    assert volumes() == untouched


@pytest.mark.usefixtures("project")
def test_s13_bytes_of_tiff_files_have_no_sign(tmp_path: Path) -> None:
    tifffile.imwrite("t.tif", np.full((8, 8), 200, np.uint8), photometric="minisblack")
    from subtomo.io.mrc import TiltImages, parse_image_name

    images = TiltImages.open([parse_image_name("t.tif")], name="TS")
    assert (images[0] == 200).all()
    assert (images.window(0, (2, 4), (1, 7)) == 200).all()


@pytest.mark.parametrize(("suffix", "program"), [(".gz", "gunzip"), (".bz2", "bunzip2"), (".xz", "unxz")])
@pytest.mark.usefixtures("project")
def test_s13_compressed_images_are_to_be_decompressed(suffix: str, program: str, capsys: Errors) -> None:
    import bz2
    import lzma

    pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[suffix]
    Path(f"one.mrc{suffix}").write_bytes(pack(Path(STACK).read_bytes()[:3000]))
    edit(TILTS, lambda text: text.replace("000003@TS_254.mrcs", f"one.mrc{suffix}"))
    assert extract() == 1
    message = capsys.readouterr().err
    assert "is compressed" in message
    assert program in message
    assert program in told(doctor()[1])


@pytest.mark.usefixtures("project")
def test_s13_a_movie_in_the_place_of_a_tilt_is_to_be_corrected_first(capsys: Errors) -> None:
    images = mrcfile.read(STACK)
    with mrcfile.new("movie.mrc") as file:
        file.set_data(images[:8])
    tifffile.imwrite("movie.tif", images[:8], photometric="minisblack")
    Path("movie.eer").write_bytes(b"II+\0" + bytes(100))
    for name in ("movie.mrc", "movie.tif", "movie.eer"):
        shutil.copy(TILTS, "saved.star")
        replaced(TILTS, "000003@TS_254.mrcs", name)
        assert extract() == 1
        message = capsys.readouterr().err
        assert "correct the motion first" in message
        assert name in message
        assert "correct the motion first" in told(doctor()[1], "error")
        shutil.copy("saved.star", TILTS)


@pytest.mark.usefixtures("project")
def test_s13_a_header_without_a_number_of_sections_means_one(untouched: dict[str, bytes]) -> None:
    images = mrcfile.read(STACK)
    for number, image in enumerate(images, 1):
        with mrcfile.new(f"{number}.mrc") as file:
            file.set_data(image)
        with open(f"{number}.mrc", "r+b") as raw:
            raw.seek(8)
            raw.write(bytes(4))
    edit(TILTS, lambda text: re.sub(r"0*(\d+)@TS_254\.mrcs", r"\1.mrc", text))
    assert doctor()[0] == 0
    assert extract() == 0
    assert volumes() == untouched


@pytest.mark.usefixtures("project")
def test_s13_a_file_short_by_its_extended_header_is_told_from_a_truncated_one(capsys: Errors) -> None:
    with open(STACK, "r+b") as raw:
        raw.seek(92)
        raw.write((1024).to_bytes(4, "little"))
    assert extract() == 1
    message = capsys.readouterr().err
    assert "1024 bytes of extended header" in message
    assert "truncated" not in message


@pytest.mark.parametrize("sign", [":", "%", "#"])
@pytest.mark.usefixtures("project")
def test_s13_output_that_relion_could_not_open_is_refused_before_anything_is_made(sign: str, capsys: Errors) -> None:
    assert extract("--o", f"o{sign}t/") == 1
    assert f"has a {sign}, which RELION takes for" in capsys.readouterr().err
    change_column("particles.star", "rlnTomoParticleName", lambda row, name: f"TS_254/a{sign}{row}")
    assert extract() == 1
    assert f"has a {sign}, which RELION takes for" in capsys.readouterr().err
    assert not Path("out").exists()
    assert not Path(f"o{sign}t").exists()
