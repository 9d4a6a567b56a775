"""Draw an average: its page, and the pictures beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from subtomo.jobs.average import AverageJob
from subtomo.jobs.average_result import AverageResult
from subtomo.report import average
from subtomo.report.curves import draw_fsc, draw_guinier
from subtomo.report.sections import draw_volumes
from subtomo.words import listed

_CLASSES_SHOWN = 12
MASK_NOTE = (
    "The half maps do not tell how large the particle is, so the mask is nine tenths of the box; give the diameter "
    "of the particle, for a loose mask makes the resolution worse than it is."
)


def class_words(classes: Mapping[int, int]) -> str:
    """Say how many particles of which classes went in."""
    counts = [f"{number} ({count} particle{'' if count == 1 else 's'})" for number, count in classes.items()]
    return listed(counts, _CLASSES_SHOWN)


def draw_average(result: AverageResult, job: AverageJob, warn: Callable[[str], None]) -> None:
    """Draw the pictures and the page; whatever goes wrong is but a warning, for the maps are whole."""
    pixel, symmetry = result.curves.pixel_size_angstrom, job.settings.symmetry.upper()
    title = f"{sum(result.counts)} particles, {symmetry}, {pixel:g} Å per voxel"
    first, second = result.counts
    shown = {
        f"half map 1\n({first} particles)": result.maps["half1"],
        f"half map 2\n({second} particles)": result.maps["half2"],
        "merged": result.maps["merged"],
        "merged, filtered\nby FSC and masked": result.maps["filtered"],
    }
    facts = average.AverageFacts(
        folder=Path(result.folder),
        title=result.folder.rstrip("/"),
        maps=result.maps,
        curves=result.curves,
        guinier=result.guinier,
        counts=result.counts,
        n_particles=result.n_particles,
        left_out=result.left_out,
        symmetry=symmetry,
        mask=result.mask,
        settings=_setting_rows(job, result.classes),
        command=job.command,
        notes=[MASK_NOTE] if result.is_mask_guessed else [],
        seconds=result.seconds,
    )
    try:
        average.write_average_page(facts)
        draw_fsc(result.folder + "fsc.png", result.curves, title)
        draw_guinier(result.folder + "guinier.png", result.guinier, title)
        draw_volumes(result.folder + "maps.png", shown, pixel, title)
    except Exception as error:
        warn(f"the pictures could not be drawn ({type(error).__name__}: {error}); the maps are whole")


def _setting_rows(job: AverageJob, classes: Mapping[int, int]) -> list[tuple[str, str]]:
    """Put the settings into words."""
    settings, term = job.settings, job.data_term
    return [
        ("Particles", "built from the tilt images" if job.from_tilts else "read from files"),
        ("Classes", class_words(classes) if classes else "not known"),
        ("Data term", "as recorded by the extraction" if term is None else term.name.lower()),
        ("Symmetry", settings.symmetry.upper()),
        ("Division by CTF²", "weights clamped" if settings.snr is None else f"Wiener, SNR {settings.snr:g}"),
        ("Soft edge of the mask", f"{settings.mask_edge_px:g} voxels"),
        ("Random seed", f"{settings.seed}"),
    ]
