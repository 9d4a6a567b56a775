"""How simulated particles are imaged and extracted."""

from __future__ import annotations

from dataclasses import dataclass

from subtomo.errors import SettingsError
from subtomo.model.choices import Settings, settle
from subtomo.model.settings import ExtractionSettings


@dataclass(frozen=True, repr=False)
class Conditions(Settings):
    """How the images of a particle are taken.

    Raises:
        SettingsError: A value is out of range.
    """

    box_size: int = 128
    crop_size: int = 64
    pixel_size_angstrom: float = 3.0
    n_tilts: int = 41
    tilt_range_deg: float = 60.0
    """From minus to plus this angle."""
    defocus_angstrom: float = 25_000.0
    dose_per_tilt: float = 2.5
    """e/Å², beginning at zero tilt, to alternating sides."""
    snr: float = 0.02
    """Variance of the image against that of the noise, per pixel of the box."""
    noise_exponent: float = 0.0
    """Power of the noise falls as 1 / (k + k0) to this power; 0 is white, 2 is strongly coloured."""

    def __post_init__(self) -> None:
        settle(self)
        positive = {
            "pixel_size_angstrom": ("pixel size", self.pixel_size_angstrom),
            "n_tilts": ("number of tilts", self.n_tilts),
            "snr": ("signal-to-noise ratio", self.snr),
        }
        for field, (name, value) in positive.items():
            if not value > 0:
                raise SettingsError(f"{name} ({field}) is {value:g}, but must be above zero", field=field)
        if not 0 <= self.tilt_range_deg <= 90:
            raise SettingsError(
                f"tilt range (tilt_range_deg) is {self.tilt_range_deg:g}, but must be 0 to 90 degrees",
                field="tilt_range_deg",
            )
        ExtractionSettings(box_size=self.box_size, crop_size=self.crop_size)

    @property
    def settings(self) -> ExtractionSettings:
        """What extraction needs to know: images without contrast inversion or binning."""
        return ExtractionSettings(box_size=self.box_size, crop_size=self.crop_size, invert_contrast=False)
