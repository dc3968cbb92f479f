"""Content affinity: candidates, a calibrated head that orders them, and hard safety filters."""
