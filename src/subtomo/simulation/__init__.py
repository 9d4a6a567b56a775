"""Simulated structures, how they are imaged, and the resulting tilt series: data with a known answer."""
