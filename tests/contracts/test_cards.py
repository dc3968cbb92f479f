"""Every task's card answers what is asked of a model by name: 31 attributes, 52 items, a first page in Chinese."""

import json

import pytest

from training.card import card
from training.tasks import tasks


@pytest.mark.parametrize("task", tasks(), ids=lambda task: task.name)
def test_no_attribute_of_a_card_is_empty(task):
    made = card(
        task,
        inputs=("age_years",),
        population={"patients": 5, "patients_with_event": 2, "sample_size": "5 patients with 2 events"},
        model={},
        figures={"test_auroc": 0.7, "test_auroc_lo": 0.6, "test_auroc_hi": 0.8},
        provenance={"code_version": "abc"},
        exploratory=True,
        attrition=[{"step": "alive", "rows_out": 3}],
    )
    assert len(made["hti1"]) == 31 and len(made["tripod_ai"]) == 52
    for page in ("hti1", "tripod_ai", "first_page_zh"):
        assert all(isinstance(text, str) and text.strip() for text in made[page].values())
    for name, text in {**made["hti1"], **made["tripod_ai"]}.items():
        assert not text.startswith(("unknown", "none")) or len(text.partition(": ")[2]) > 10, name
    if task.kind != "affinity":
        assert "auroc 0.700 [0.600, 0.800]" in made["hti1"]["7.i validity, same source"]
    assert task.zh in made["first_page_zh"]["问题"]
    assert json.loads(json.dumps(made)) == made
