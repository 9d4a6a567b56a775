from .errors import InputError as InputError
from .errors import SettingsError as SettingsError
from .errors import SubtomoError as SubtomoError
from .extraction.sequence import PseudoSubtomograms as PseudoSubtomograms
from .io.relion import read_particles as read_particles
from .io.relion import read_tomograms as read_tomograms
from .jobs.extract import extract as extract
from .model.particles import ParticleSet as ParticleSet
from .model.settings import CircleCrop as CircleCrop
from .model.settings import DataTerm as DataTerm
from .model.settings import ExtractionSettings as ExtractionSettings
from .model.settings import Output as Output
from .model.settings import OutputSettings as OutputSettings
from .model.settings import Weighting as Weighting
from .model.subtomogram import PseudoSubtomogram as PseudoSubtomogram
from .model.subtomogram import TiltStack as TiltStack
from .model.tilt_series import TiltSeries as TiltSeries
from .model.tilt_series import TomogramSet as TomogramSet

__version__: str
