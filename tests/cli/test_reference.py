"""The option reference in the docs is what the code says."""

from __future__ import annotations

from pathlib import Path

from subtomo.cli.reference import reference

PAGE = Path(__file__).resolve().parents[2] / "docs" / "options.md"


def test_the_page_in_the_docs_is_what_the_code_gives() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run: make docs-options"


def test_every_option_of_relion_is_there() -> None:
    wanted = (
        "--i --p --t --mot --b --crop --bin --o --stack2d --multi --ctf --div --nrm --no_comb --SNR "
        "--min_frames --env --max_dose --cone_weight --cone_angle --cone_sig0 --no_circle_crop "
        "--circle_precrop --grid_precorr --taper --no_center --whiten --no_ic --no_ctf "
        "--dont_apply_offsets --apply_orientations --only_do_unfinished --float16 --diag --j "
        "--cutoff_fract --real_subtomo --sum --no_writing --theme --pipeline_control --man --spacing "
        "--depth --max_tilt --nmw --npw --ts --ref1 --ref2 --mask --fsc --freq_cutoff --fsc_thresh_width "
        "--use_SNR_weight "
    )
    page = reference()
    assert not [name for name in wanted.split() if f"`{name}`" not in page]
