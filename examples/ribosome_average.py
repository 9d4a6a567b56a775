"""Average extracted ribosomes from Python, draw one particle beside the average, and the average as a surface.

Run it after ``subtomo extract … --o OUT``:  python ribosome_average.py OUT

It does what ``subtomo average --p OUT/particles.star --o OUT/average/ --particle_diameter 320`` does, without
the page and the pictures of the curves.
"""

from __future__ import annotations

import sys
from pathlib import Path

from subtomo.averaging.average import AverageSettings
from subtomo.io.mrc_read import read_volume
from subtomo.io.relion import OptimisationSet
from subtomo.jobs.average import AverageJob, run_average
from subtomo.jobs.cores import available_cores
from subtomo.jobs.progress import Silent
from subtomo.report.sections import draw_volumes
from subtomo.report.surface_pictures import draw_surfaces


def main(folder: Path) -> None:
    """Write half maps, merged map and fsc.star into OUT/average, and OUT/average.png and OUT/surface.png."""
    job = AverageJob(
        output_dir=f"{folder / 'average'}",
        settings=AverageSettings(mask_diameter_angstrom=320.0),
        files=OptimisationSet(particles=f"{folder / 'particles.star'}"),
        threads=available_cores(),
    )
    result = run_average(job, Silent())
    count, pixel_size = sum(result.counts), result.curves.pixel_size_angstrom
    first = sorted((folder / "Subtomograms").rglob("*/1_data.mrc"))[0]
    draw_volumes(
        folder / "average.png",
        {
            "one particle\n(data term)": read_volume(first)[0],
            f"half map\n({result.counts[0]} particles)": result.maps["half1"],
            f"average\n({count} particles, filtered)": result.maps["filtered"],
        },
        pixel_size,
        f"{count} ribosomes of Mycoplasma pneumoniae, EMPIAR-10499, {pixel_size:g} Å per voxel",
    )
    draw_surfaces(folder / "surface.png", {"average": result.maps["filtered"]}, pixel_size)
    print(
        f"{count} particles averaged in {result.seconds:.1f} s\n"
        f"resolution     {result.curves.resolution_angstrom(0.143):.1f} Å (half maps, FSC 0.143)\n"
        f"average map    {result.folder}merged.mrc\n"
        f"pictures       {folder / 'average.png'}, {folder / 'surface.png'}\n"
        f"for RELION     {folder / 'optimisation_set.star'}"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output"))
