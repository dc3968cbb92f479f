"""Content affinity: which item a patient would open next."""

from __future__ import annotations

from training.cohort import Cohort
from training.outcome import FirstTouch
from training.task import Inputs, Task, TimeAtRisk
from training.tasks.criteria import ALIVE, STAYED

CONTENT_AFFINITY = Task(
    name="content_affinity",
    kind="affinity",
    zh="内容偏好：接下来会打开哪一条内容",
    en="content affinity: which item would be opened next",
    purposes=("health_education",),
    time=TimeAtRisk(horizon_days=1, lookback_days=0),
    cohort=Cohort((ALIVE, STAYED)),
    outcome=FirstTouch(),
    inputs=Inputs(clinical_groups=("popularity", "peers", "topic", "freshness", "clinical_match"), core=()),
)
