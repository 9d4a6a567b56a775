"""The hot array loops, behind one seam: `protocol.Backend`."""
