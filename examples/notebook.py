"""Read a project, look at one particle, average a hundred and write files: a notebook as a script.

Editors that know py:percent (Jupytext, VS Code, Spyder, PyCharm) open it as cells; ``python examples/notebook.py OUT``
runs it; ``notebook.ipynb`` beside it is the same, with what its cells give (``python tools/notebook.py`` makes it).
"""

# %%
from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import subtomo
from subtomo import (
    AverageSettings,
    ExtractionSettings,
    ParticleSet,
    PseudoSubtomograms,
    extract,
    read_particles,
    read_tomograms,
)

out = Path(
    sys.argv[1] if len(sys.argv) > 1 and Path(sys.argv[0]).name == "notebook.py" else "notebook-output"
).resolve()
out.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## Read
# Names in STAR files are relative to the project's folder.

# %%
# --8<-- [start:read]
here = Path(__file__).parent if "__file__" in globals() else Path("examples" if Path("examples").is_dir() else ".")
project = here / "empiar-10499"
tomograms = read_tomograms(project / "tomograms.star", project=project)
particles = read_particles(project / "particles.star", tomograms)

series = tomograms["TS_254"]
print(
    f"{len(particles)} particles, {series.n_tilts} tilts of {series.image_size} pixels, {series.pixel_size_angstrom} Å"
)
# --8<-- [end:read]
particles

# %% [markdown]
# ## Ask before computing

# %%
# --8<-- [start:plan]
settings = ExtractionSettings(box_size=96, crop_size=48, binning=1.0, apply_orientations=True)
subtomograms = PseudoSubtomograms(tomograms, particles, settings)  # no image is read yet

plan = subtomograms.plan.series[0]
print(f"{len(subtomograms)} will be made, {len(subtomograms.plan.left_out)} are left out")
print(f"the first is seen in {plan.visible[0].sum()} tilts, in image 1 at {plan.image_positions_px[0, 0].round(1)}")
offset = plan.defocus_offset_angstrom[0]
print(f"its defocus is that of the tomogram's centre plus {offset.min():.0f} to {offset.max():.0f} Å")
# --8<-- [end:plan]

# %% [markdown]
# ## One particle

# %%
# --8<-- [start:one]
one = subtomograms[0]  # computed now
print(one.name, one.data.shape, one.ctf2.shape, one.multiplicity.shape)
# --8<-- [end:one]
one

# %% [markdown]
# ## An average by hand
# Volumes are built in the particles' orientations (`apply_orientations`), so they may be added up as they are.

# %%
# --8<-- [start:average]
data, weight = np.zeros_like(one.data), np.zeros_like(one.ctf2)
for particle in subtomograms[:100]:
    data += particle.data
    weight += particle.ctf2

spectrum = np.fft.rfftn(np.fft.ifftshift(data))
spectrum /= weight + 0.01 * weight.max()
average = np.fft.fftshift(np.fft.irfftn(spectrum, s=data.shape, axes=(0, 1, 2)))
# --8<-- [end:average]

# %%
# --8<-- [start:draw]
figure = plt.figure(figsize=(7.5, 2.8), layout="constrained", dpi=110)
pictures = {
    "data of one particle": one.data[24],
    "its CTF², z against x": np.fft.fftshift(one.ctf2[:, 0], axes=0) ** 0.25,
    "average of 100": average[24],
}
for axes, (title, image) in zip(figure.subplots(1, 3), pictures.items(), strict=True):
    axes.imshow(image, cmap="gray", origin="lower")
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()
figure.savefig(out / "notebook.png")
# --8<-- [end:draw]

# %% [markdown]
# ## Write files for RELION
# Coarse and small here, to be quick. Settings are frozen; `replace` gives changed ones.

# %%
# --8<-- [start:write]
coarse = replace(settings, box_size=32, crop_size=16, binning=4.0, min_tilts=41)
summary = extract(tomograms, particles, coarse, f"{out}/Extract/")
print(f"{summary.n_extracted} of {summary.n_particles} written to {summary.star_file}")
for left in summary.left_out[:2]:
    print(f"{left.name}: {left.reason}")
# --8<-- [end:write]

# %% [markdown]
# ## The other verbs
# Every verb of the command is a function, whose result shows itself.

# %%
# --8<-- [start:verbs]
averaged = subtomo.average(summary, out / "Average", AverageSettings(mask_diameter_angstrom=400.0))
found = subtomo.doctor(particles, tomograms, coarse, project=project, headers_only=True)
page = subtomo.report(summary, project)
print(f"half sets of {averaged.counts}, plots {list(averaged.plots)}; nothing wrong: {found.is_clean}")
print(f"{len(page.plots)} pictures on {page.page.name}")
# --8<-- [end:verbs]
averaged

# %% [markdown]
# ## Particles from arrays
# Places may come from anywhere; no STAR file is needed.

# %%
# --8<-- [start:arrays]
places_px = plan.positions_px[:20] + np.random.default_rng(0).normal(scale=0.5, size=(20, 3))
picked = ParticleSet.at("TS_254", places_px, pixel_size_angstrom=series.pixel_size_angstrom)
print(PseudoSubtomograms(tomograms, picked, coarse)[0].data.shape)
written = extract(tomograms, picked, replace(coarse, min_tilts=1), f"{out}/Picked/")
print(f"{written.n_extracted} of {written.n_particles} written to {written.star_file}")
# --8<-- [end:arrays]
