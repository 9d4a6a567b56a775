"""Files of other programs: their alignments and picks, and what stands beside them."""
