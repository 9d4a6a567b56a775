"""Known answers: simulated structures, how they are imaged, and the tilt series that follow."""
