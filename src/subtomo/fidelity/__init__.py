"""How well the terms of a particle stand in for its tilt images: simulated particles, and the cost of wrong poses."""
