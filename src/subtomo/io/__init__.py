"""The only layer that touches data files: STAR tables and MRC images."""
