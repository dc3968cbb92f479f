"""A sample hospital with known truth. Imports ``features.schema`` (and its errors) alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulation.setting import Setting

if TYPE_CHECKING:
    from simulation.write import hospital

__all__ = ["Setting", "hospital"]


def __getattr__(name: str) -> Any:
    """Load the machinery when it is first asked for, so that a command's help answers at once."""
    if name != "hospital":
        raise AttributeError(f"module 'simulation' has no attribute '{name}'")
    from simulation.write import hospital

    return hospital
