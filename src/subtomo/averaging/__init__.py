"""Sums of particles, their division, and what two half maps tell."""
