"""Which of RELION's runs are repeated here, which are not yet, and where this program wants to differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SUITE = Path(__file__).resolve().parent

# RELION's programs and the command of ours that does the same work.
COMMANDS: Mapping[str, str] = {
    "relion_tomo_subtomo": "extract",
    "relion_tomo_sample_manifold": "sample-manifold",
    "relion_tomo_make_optimisation_set": "optimisation-set",
}

# What asks for a quirk of RELION that is not repeated without being asked for.
QUIRKS: Mapping[str, tuple[str, ...]] = {"r4_nooffsets_stack2d": ("--drop-coordinates",)}

# Successful runs of RELION whose files must come out the same.
REPRODUCED: frozenset[str] = frozenset(
    {
        "stack_default",
        "stack_bin1_crop_eq_box",
        "stack_bin1_crop",
        "stack_bin1p5",
        "stack_bin1p5_oddpatch",
        "stack_bin1p3",
        "stack_bin4",
        "stack_box36_crop22",
        "stack_stack2d",
        "stack_stack2d_f16_dose_min",
        "stack_stack2d_noctf_noic",
        "stack_stack2d_nocircle",
        "stack_stack2d_bin1",
        "stack_stack2d_bin1p5",
        "stack_noctf",
        "stack_noic",
        "stack_nocircle",
        "stack_precrop",
        "stack_applyori",
        "stack_applyori_gimbal_noslash",
        "stack_nooffsets",
        "stack_cutoff0p3",
        "stack_cutoff0",
        "stack_sum",
        "stack_sum_snr_nowrite",
        "stack_bfacdose",
        "stack_nosize",
        "stack_bare",
        "stack_prev_to_2d",
        "stack_prev_to_3d",
        "stack_optset",
        "stack_minframes15",
        "stack_all_removed",
        "stack_minframes0",
        "tilts_default",
        "tilts_bare",
        "tilts_bfac",
        "tilts_stack2d",
        "r4_default",
        "r4_coords_bare",
        "r4_nooffsets_stack2d",
        "r4_mixed",
        "stack_whiten",
        "stack_whiten_stack2d",
        "stack_cone",
        "stack_cone_applyori",
        "stack_gridprecorr",
        "stack_gridprecorr_stack2d",
        "stack_gridprecorr_nocircle",
        "stack_ctf_div_nrm_multi",
        "stack_nocomb_div_snr",
        "stack_div_taper_nocenter",
        "stack_float16",
        "stack_realsubtomo",
        "stack_realsubtomo_half_bin2",
        "stack_pipeline_control",
        "mkopt_new",
        "mkopt_override",
        "mkopt_man_only",
        "optics_default",
        "optics_even_stack2d",
        "optics_odd",
        "optics_odd_noctf_noic",
        "optics_bare",
        "motion_traj",
        "motion_legacy",
        "motion_none",
        "motion_optset_nooffsets",
        "tilts_sample",
        "tilts_sample_nmw",
        "tilts_sample_npw",
        "tilts_sample_ts",
        "tilts_sample_optset",
        "r4_sample_ts",
    }
)

NOTHING_EXTRACTED = frozenset({"stack_all_removed"})
"""Runs that leave every particle out: the files are RELION's, but what it calls a success is a failure here."""

# Runs that must be refused, and words that the message must hold: what is wrong, and where.
REFUSED: Mapping[str, tuple[str, ...]] = {
    "stack_err_noparticles": ("particles", "--p"),
    "stack_err_missing_motion": ("nope.star",),
    "stack_err_missing_tomograms": ("nope.star",),
    "stack_err_negative_minframes": ("min_frames", "-1"),
    "stack_err_pipeline_control": ("min_frames", "-1"),
    "sample_err_no_manifolds": ("manifolds", "--man"),
    "tilts_err_unknown_tomograms": ("tomoA", "tomoC"),
    "tilts_err_optics": ("optics", "300", "200"),
}

# Runs that RELION carries out with a warning and this program refuses: a mistyped option must not cost a day.
REFUSED_HERE_ONLY: Mapping[str, tuple[str, ...]] = {
    "stack_unknown_option": ("--bogus",),
}

COVERED: frozenset[str] = REPRODUCED | frozenset(REFUSED) | frozenset(REFUSED_HERE_ONLY)

NOT_YET_COVERED: frozenset[str] = frozenset()

# Rows of particles.star (from 0) whose angles are undefined up to rounding: there the rotation matrices are compared.
UNDEFINED_ANGLES: Mapping[str, frozenset[int]] = {"stack_applyori_gimbal_noslash": frozenset({2})}


@dataclass(frozen=True)
class Case:
    """One run of a RELION program on a small simulated dataset, with the files it wrote."""

    name: str
    dataset: str
    program: str
    args: tuple[str, ...]
    exit_code: int
    files: tuple[str, ...]
    tolerance: Mapping[str, float | str]

    @property
    def inputs(self) -> Path:
        """The folder the run starts in."""
        return SUITE / "inputs" / self.dataset

    @property
    def expected(self) -> Path:
        """The folder RELION wrote."""
        return SUITE / "expected" / self.name

    @property
    def argv(self) -> list[str]:
        """The same run as arguments of `subtomo`."""
        return [COMMANDS[self.program], *self.args, *QUIRKS.get(self.name, ())]

    @property
    def undefined_angles(self) -> frozenset[int]:
        """Rows of particles.star whose angles say nothing beyond their rotation matrix."""
        return UNDEFINED_ANGLES.get(self.name, frozenset())


def load_cases() -> dict[str, Case]:
    """Read cases.json; the keys are the names, in the order of the file."""
    entries = json.loads((SUITE / "cases.json").read_text(encoding="utf-8"))
    return {
        entry["name"]: Case(
            name=entry["name"],
            dataset=entry["dataset"],
            program=entry["program"],
            args=tuple(entry["args"]),
            exit_code=entry["exit_code"],
            files=tuple(entry["files"]),
            tolerance=entry["tolerance"],
        )
        for entry in entries
    }


CASES: Mapping[str, Case] = load_cases()
