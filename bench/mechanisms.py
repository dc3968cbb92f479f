"""Five mechanisms of the sample hospital that are kept for judging: none was used while developing.

They were drawn up before any figure was taken of them, each moving several constants of
``simulation.Setting`` at once, towards a hospital that somebody could meet.
"""

from __future__ import annotations

from dataclasses import replace

from features.errors import InputError
from simulation import Setting

MECHANISMS = {
    "default": Setting(),
    "busy": replace(
        Setting(), visit_rate=0.24, booking_rate=0.7, due_rate=0.5, acute_rate=0.08, season=0.3, test_rate=1.4
    ),
    "fickle": replace(
        Setting(),
        engagement_persistence=0.86,
        engagement_noise=0.35,
        shock_rate=0.03,
        shock_size=1.4,
        honour=0.8,
        habit_days=120,
        habit_loss=0.5,
    ),
    "late": replace(
        Setting(),
        late_result_days=6.0,
        correction_rate=0.05,
        void_rate=0.03,
        backdated_share=0.55,
        unrecorded_share=0.25,
    ),
    "chosen": replace(Setting(), test_rate=0.7, test_sickness=1.2, detection_engagement=0.9, incidence=1.3),
    "elsewhere": replace(
        Setting(),
        outside_supply=0.7,
        care_plan_share=0.4,
        refill_rate=0.05,
        online_share=-0.3,
        device_share=0.05,
        call_rate=0.2,
        leave_rate=0.05,
    ),
}
"""``default`` is the sample hospital itself; the five others were never trained on before they were judged."""
KEPT = tuple(name for name in MECHANISMS if name != "default")


def mechanism(name: str) -> Setting:
    """Return the mechanism of a name.

    Raises
    ------
    InputError
        There is none.
    """
    if name not in MECHANISMS:
        raise InputError(f"no mechanism '{name}'", where="bench", given=name, known=tuple(MECHANISMS))
    return MECHANISMS[name]
