"""Extraction, refinement and import as jobs of ccpem-pipeliner, which finds them by their entry points.

Also for Doppio, the graphical interface of that package. The commands are those of the command line, so what is told of
them holds; here stand the questions of the interface, the results, and how these are shown.
"""

from subtomo.cli.pipeliner.jobs import ExtractJob as ExtractJob
from subtomo.cli.pipeliner.jobs import ImportJob as ImportJob
from subtomo.cli.pipeliner.jobs import RefineJob as RefineJob
