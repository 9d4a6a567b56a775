"""False picks among real particles: the ribosomes of examples/empiar-10499, and random places added to them.

    python -m benchmarks.real_false_picks FOLDER                 # about ten core-minutes, most of it refinement
    python -m benchmarks.real_false_picks FOLDER --again         # classifies what is refined in FOLDER already

All are refined together, and classified by ``--K 1 --false-picks``; printed is what of each kind is kept. FOLDER keeps
the particle sets, so that what is kept can be refined again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import subtomo
from subtomo.io.star import read_tables, write_tables
from subtomo.model.table import Table, text_array

DATA = Path(__file__).resolve().parent.parent / "examples" / "empiar-10499"
APART_ANGSTROM = 300.0
ROUNDS = 4
EXTRACTION = subtomo.ExtractionSettings(box_size=96, crop_size=48)
DIAMETER_ANGSTROM = 320.0
RANDOM = "random"
"""Begins the names of random places."""


def with_random_places(count: int, seed: int) -> list[Table]:
    """Add random places in random orientations to the picks, in the space that the picks take, apart from all."""
    *others, table = read_tables(DATA / "particles.star")
    random = np.random.default_rng(seed)
    labels = [f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]
    picked = np.stack([table.floats(label) for label in labels], axis=1)
    low, high = picked.min(axis=0), picked.max(axis=0)
    places: list[np.ndarray] = []
    while len(places) < count:
        place = random.uniform(low, high)
        if np.linalg.norm(np.vstack([picked, *places]) - place, axis=1).min() >= APART_ANGSTROM:
            places.append(place)
    name = table.text("rlnTomoName")[0]
    turns = np.stack([random.uniform(-180, 180, count), np.degrees(np.arccos(random.uniform(-1, 1, count))),
                      random.uniform(-180, 180, count)], axis=1)  # fmt: skip
    own = {
        "rlnTomoName": [name] * count,
        **{label: [f"{place[axis]:.3f}" for place in places] for axis, label in enumerate(labels)},
        **{f"rlnAngle{angle}": [f"{turn[axis]:.3f}" for turn in turns]
           for axis, angle in enumerate(("Rot", "Tilt", "Psi"))},
        **{f"rlnOrigin{axis}Angst": ["0.000"] * count for axis in "XYZ"},
        "rlnOpticsGroup": ["1"] * count,
        "rlnTomoParticleName": [f"{name}/{RANDOM}{number}" for number in range(1, count + 1)],
        "rlnRandomSubset": [str(1 + number % 2) for number in range(count)],
        "rlnAutopickFigureOfMerit": ["0.000"] * count,
    }  # fmt: skip
    columns = {label: text_array([*table.text(label).tolist(), *own[label]]) for label in own}
    return [*others, Table("particles", columns)]


def refined(folder: Path, particles: str, rounds: int) -> float:
    """Refine, and give the resolution in Å."""
    result = subtomo.refine(
        particles, folder, subtomo.RefinementSettings(rounds=rounds, particle_diameter_angstrom=DIAMETER_ANGSTROM),
        extraction=EXTRACTION, tomograms=DATA / "tomograms.star",
    )  # fmt: skip
    return result.resolution_angstrom


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--random", type=int, default=200, help="random places (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="of these")
    parser.add_argument("--again", action="store_true", help="do not refine again")
    parser.add_argument("--refine-kept", action="store_true", help="refine what is kept")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    mixed = chosen.folder / "mixed.star"
    if not chosen.again:
        write_tables(mixed, with_random_places(chosen.random, chosen.seed))
        print(f"refined together: {refined(chosen.folder / 'refined', str(mixed), ROUNDS):.1f} Å")
    settings = subtomo.ClassificationSettings(
        classes=1, false_picks=True, ini_high_angstrom=40.0, highest_angstrom=27.0,
        particle_diameter_angstrom=DIAMETER_ANGSTROM,
    )  # fmt: skip
    result = subtomo.classify(
        chosen.folder / "refined" / "run_data.star", chosen.folder / "classified", settings, extraction=EXTRACTION,
        tomograms=DATA / "tomograms.star",
    )  # fmt: skip
    names = result.particles.names[result.source.indices[result.rows]].tolist()
    is_random = np.array([f"/{RANDOM}" in name for name in names])
    is_kept = result.last.assigned == 0
    true, false = int((is_kept & ~is_random).sum()), int((is_kept & is_random).sum())
    print(f"kept {true} of {int((~is_random).sum())} picks and {false} of {int(is_random.sum())} random places")
    print(f"precision {true / max(true + false, 1):.1%}, recall {true / max(int((~is_random).sum()), 1):.1%}")
    if chosen.refine_kept:
        kept = chosen.folder / "classified" / "class1_data.star"
        print(f"refined again: {refined(chosen.folder / 'kept', str(kept), 12):.1f} Å")


if __name__ == "__main__":
    main()
