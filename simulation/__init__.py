"""A sample hospital with known truth. Imports ``features.schema`` (and its errors) alone."""

from simulation.setting import Setting
from simulation.write import hospital

__all__ = ["Setting", "hospital"]
