"""The command line as its users meet it: how words are understood, and what is said if they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from subtomo.cli import main
from tests.cli.conftest import INPUT_FILES, SIZES

Capture = pytest.CaptureFixture[str]


def files_below(folder: str) -> dict[str, bytes]:
    """Read images and STAR files; in the latter the name of the folder is left out."""
    files = {}
    for path in Path(folder).rglob("*"):
        if path.suffix == ".star":
            files[str(path.relative_to(folder))] = path.read_bytes().replace(folder.encode(), b"")
        elif path.suffix in {".mrc", ".mrcs"}:
            files[str(path.relative_to(folder))] = path.read_bytes()
    return files


def refusal(words: tuple[str, ...], capsys: Capture) -> str:
    """Run a command line that must be refused, and give its one line of error."""
    capsys.readouterr()
    assert main(words) == 1
    said = capsys.readouterr()
    assert said.out == ""
    errors = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert errors == said.err.splitlines()[-1:]
    return errors[0]


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_no_words_or_help_lists_the_commands(words: tuple[str, ...], capsys: Capture) -> None:
    assert main(words) == 0
    said = capsys.readouterr()
    assert all(command in said.out for command in ("extract", "sample-manifold", "optimisation-set"))
    assert said.err == ""


@pytest.mark.parametrize(
    ("command", "option"),
    [("extract", "--cutoff_fract"), ("sample-manifold", "--spacing"), ("optimisation-set", "--man")],
)
@pytest.mark.parametrize("rest", [(), ("--help",)])
def test_a_command_without_options_shows_its_help(command: str, option: str, rest: tuple[str], capsys: Capture) -> None:
    assert main((command, *rest)) == 0
    said = capsys.readouterr()
    assert option in said.out
    assert said.err == ""


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("--min_frame", "--min_frames"),
        ("--min_tilt", "--min-tilts"),
        ("--bining", "--binning"),
        ("--box", "--box-size"),
        ("--crop_sise=24", "--crop-size"),
        ("--no-float16", "--float16"),
    ],
)
def test_an_unknown_option_is_refused_with_the_nearest_name(
    misspelt: str, meant: str, extract: tuple[str, ...], capsys: Capture
) -> None:
    message = refusal((*extract, misspelt, "3"), capsys)
    assert f"unknown option {misspelt.partition('=')[0]}, did you mean {meant}?" in message
    assert not Path("out").exists()


def test_a_misspelt_option_is_named_even_if_a_required_one_is_missing_for_it(project: Path, capsys: Capture) -> None:
    assert "unknown option --box, did" in refusal(("extract", *INPUT_FILES, "--box", "32", "--o", "out/"), capsys)


def test_an_unknown_option_like_nothing_gets_no_suggestion(extract: tuple[str, ...], capsys: Capture) -> None:
    assert "unknown option --qqqqqq;" in refusal((*extract, "--qqqqqq"), capsys)


def test_an_unknown_command_is_refused_with_the_nearest_and_all_names(capsys: Capture) -> None:
    message = refusal(("extrct", "--b", "32"), capsys)
    assert "unknown command 'extrct', did you mean extract?" in message
    assert all(name in message for name in ("optimisation-set", "report", "sample-manifold"))
    assert "unknown command '--b'" in refusal(("--b", "32"), capsys)


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (("extract", *INPUT_FILES, "--o", "out/"), "--b or --box-size"),
        (("extract", *INPUT_FILES, *SIZES), "--o or --output"),
        (("sample-manifold", "--o", "out/", "--depth", "0", "--max_tilt", "90"), "--spacing"),
        (("optimisation-set", "--p", "particles.star"), "--o or --output"),
    ],
)
def test_a_missing_required_option_is_named(words: tuple[str, ...], missing: str, capsys: Capture) -> None:
    assert f"{missing} is missing, but required" in refusal(words, capsys)


@pytest.mark.parametrize("words", [("--o",), ("--o", "--float16"), ("--p", "--whiten")])
def test_another_option_is_not_taken_for_a_value(
    words: tuple[str, ...], extract: tuple[str, ...], capsys: Capture
) -> None:
    assert f"{words[0]} needs a value" in refusal((*extract, *words), capsys)
    assert not list(Path().glob("--*"))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("--b", "3x", "not a whole number"),
        ("--b", "32.5", "not a whole number"),
        ("--crop", "", "not a whole number"),
        ("--min-tilts", "1e400", "not a whole number"),
        ("--bin", "two", "two"),
        ("--SNR", "nan", "must be finite"),
        ("--max_dose", "inf", "must be finite"),
    ],
)
def test_a_bad_number_is_refused_with_option_and_value(
    name: str, value: str, expected: str, extract: tuple[str, ...], capsys: Capture
) -> None:
    message = refusal((*extract, name, value), capsys)
    assert name in message
    assert f'"{value}"' in message
    assert expected in message


def test_a_word_that_belongs_to_no_option_is_refused(extract: tuple[str, ...], capsys: Capture) -> None:
    assert "unexpected 'particles.star'" in refusal((*extract, "particles.star"), capsys)


@pytest.mark.parametrize(
    ("name", "value"), [("--b", "-32"), ("--crop", "-4"), ("--bin", "-.5"), ("--min_frames", "-1"), ("--j", "-3")]
)
def test_negative_numbers_reach_the_check_of_their_setting(
    name: str, value: str, extract: tuple[str, ...], capsys: Capture
) -> None:
    message = refusal((*extract, name, value), capsys)
    assert name in message
    assert f"{float(value):g}" in message
    assert "must be" in message


def test_a_repeated_option_warns_and_the_last_value_counts(extract: tuple[str, ...], capsys: Capture) -> None:
    assert main((*extract, "--crop", "20", "--crop-size=16", "--o", "other/")) == 0
    said = capsys.readouterr().err.splitlines()
    assert "warning: --crop is given more than once; the last value counts" in said
    assert "warning: --o is given more than once; the last value counts" in said
    assert not Path("out").exists()
    assert "16" in Path("other/particles.star").read_text().split()


def test_every_form_of_an_option_gives_the_same_files_byte_for_byte(extract: tuple[str, ...], capsys: Capture) -> None:
    flags = ("--whiten", "--no_ic", "--ctf", "--multi", "--div", "--nrm", "--cone_weight", "--float16", "--sum")
    long_flags = (
        *("--whiten-noise", "--keep-contrast", "--write-ctf2", "--write-multiplicity", "--write-divided"),
        *("--write-normalised", "--cone-weight", "--half-precision", "--write-sums"),
    )
    numbers = {"--b": "32", "--crop": "24", "--bin": "2", "--cutoff_fract": "0.02", "--SNR": "0.1", "--j": "1"}
    long_numbers = ("--box-size", "--crop-size", "--binning", "--dose-cutoff", "--snr", "--threads")
    short = [word for pair in numbers.items() for word in pair]
    long = [word for pair in zip(long_numbers, numbers.values(), strict=True) for word in pair]
    equals = [f"{name}={value}" for name, value in numbers.items()]
    named = ("--tomograms", "tomograms.star", "--particles", "particles_two.star")
    assert main(("extract", *INPUT_FILES, *short, *flags, "--o", "a/")) == 0
    assert main(("extract", *named, *long, *long_flags, "--output", "b/")) == 0
    assert main(("extract", "--t=tomograms.star", "--p=particles_two.star", *equals, *flags, "--o=c/")) == 0
    files = files_below("a/")
    assert len(files) == 2 * 7 + 3 + 2
    assert files_below("b/") == files
    assert files_below("c/") == files


def test_hyphens_and_underscores_mean_the_same(extract: tuple[str, ...], capsys: Capture) -> None:
    words = ("--crop_size", "16", "--no-circle_crop", "--min-frames=3", "--pipeline-control", "control/")
    assert main((*extract, *words)) == 0
    assert "warning: --crop is given more than once" in capsys.readouterr().err
    assert Path("control/RELION_JOB_EXIT_SUCCESS").exists()
    assert main((*extract, "--crop", "16", "--no_circle_crop", "--o", "two/")) == 0
    assert files_below("two/") == files_below("out/")


def test_options_without_effect_say_so_and_change_nothing(extract: tuple[str, ...], capsys: Capture) -> None:
    assert main(extract) == 0
    capsys.readouterr()
    dead = ("--env", "0", "--diag", "--theme", "classic", "--list_themes")
    assert main((*extract, *dead, "--o", "off/")) == 0
    said = capsys.readouterr().err
    for name in ("--env", "--diag", "--theme", "--list_themes"):
        assert f"note: {name} has no effect, as in RELION" in said
    assert files_below("off/") == files_below("out/")


def test_references_of_an_optimisation_set_say_that_they_are_not_kept(project: Path, capsys: Capture) -> None:
    assert main(("optimisation-set", "--p", "particles.star", "--fsc", "fsc.star", "--o", "set.star")) == 0
    assert "note: references are not kept" in capsys.readouterr().err
    assert "fsc.star" not in Path("set.star").read_text()


def test_empty_names_count_as_not_given_as_in_relion(extract: tuple[str, ...], capsys: Capture) -> None:
    empty = ("--mot", "", "--i", "", "--pipeline_control", "")
    assert main((*extract, *empty)) == 0
    assert not list(Path().glob("RELION_JOB_EXIT_*"))
    assert "(--p)" in refusal((*extract, "--p", ""), capsys)
    assert main(("optimisation-set", "--i", "", "--p", "p.star", "--t", "", "--o", "set.star")) == 0
    assert "Tomograms" not in Path("set.star").read_text()


def test_the_note_holds_the_command_line_as_it_was_given(extract: tuple[str, ...]) -> None:
    words = (*extract, "--crop-size=20")
    assert main(words) == 0
    assert Path("out/note.txt").read_text().split() == ["Command:", "subtomo", *words]
