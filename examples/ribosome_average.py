"""Turn the sums of an extraction into an average map and a picture of it.

Run it after ``subtomo extract … --sum --SNR 0.1 --o OUT``:  python ribosome_average.py OUT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from subtomo.io.mrc_read import read_volume
from subtomo.io.mrc_write import write_mrc
from subtomo.report.sections import draw_volumes


def main(folder: Path) -> None:
    """Write average.mrc and average.png into the folder of an extraction that was made with --sum."""
    account = json.loads((folder / "extraction_summary.json").read_text())
    average, pixel_size = read_volume(folder / "sum_div.mrc")
    total, _ = read_volume(folder / "sum_data.mrc")
    first = sorted((folder / "Subtomograms").rglob("*/1_data.mrc"))[0]
    single, _ = read_volume(first)
    count = account["n_extracted"]
    write_mrc(folder / "average.mrc", average, pixel_size_angstrom=pixel_size)
    draw_volumes(
        folder / "average.png",
        {
            "one particle\n(data term)": single,
            f"sum of {count}\n(data term)": total,
            "average\n(data / weight, Wiener)": average,
        },
        pixel_size,
        f"{count} ribosomes of Mycoplasma pneumoniae, EMPIAR-10499, {pixel_size:g} Å per voxel",
    )
    print(
        f"{count} particles extracted in {account['seconds']:.1f} s into {folder}\n"
        f"average map    {folder / 'average.mrc'}\n"
        f"picture of it  {folder / 'average.png'}\n"
        f"for RELION     {folder / 'optimisation_set.star'}"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output"))
