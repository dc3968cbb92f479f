"""A task that cannot be meant is refused where it is declared, with the nearest valid name; no work is done for it."""

from dataclasses import replace

import numpy as np
import pytest

from features.errors import InputError
from training.attrition import Attrition
from training.cohort import Cohort, Criterion
from training.outcome import NoContact
from training.run import run
from training.task import Inputs, TimeAtRisk
from training.tasks import task
from training.tasks.criteria import ALIVE

CHURN = task("churn_90d")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "chrun"}, r"task churn_90d: no kind 'chrun'; did you mean 'churn'"),
        ({"landmarks": "weekly"}, r"no kind of landmarks 'weekly'; known: month_ends, discharges"),
        ({"name": "../x y"}, r"task '../x y': is no name of a task; letters"),
        ({"name": ""}, r"task '': is no name of a task"),
        ({"cohort": [ALIVE]}, r"cohort is of another type: list; cohort=Cohort\("),
        ({"outcome": NoContact}, r"outcome is of another type: the class NoContact"),
        ({"outcome": "silence"}, r"outcome is of another type: str"),
        ({"time": 60}, r"time is of another type: int; time=TimeAtRisk"),
        ({"time": TimeAtRisk(0)}, r"a horizon of 0 days holds no outcome; horizon_days=60"),
        ({"purposes": "care_followup"}, r"purposes is no tuple of names"),
        ({"own": ("my_visits",)}, r"own is of another type: str"),
        ({"kind": "rule"}, r"rule is of another type: NoneType"),
        ({"kind": "prevalent"}, r"outcome is of another type: NoContact; outcome=UndiagnosedDiabetes\(\)"),
    ],
)
def test_a_task_that_cannot_be_meant_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        replace(CHURN, **changes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Inputs((), (), monotone={"x": "upp"}), r"monotone x: no direction 'upp'; did you mean 'up'"),
        (lambda: Inputs((), (), baselines={"x": ("a", "dwn")}), r"baseline x: no direction 'dwn'; did you mean 'down'"),
        (lambda: Inputs((), (), baselines={"x": "ab"}), r"baseline x is no tuple of names"),
        (lambda: Inputs("visits", ()), r"clinical_groups is no tuple of names"),
        (lambda: Inputs((), (), crosses=(("a",),)), r"a cross is no pair"),
        (lambda: Inputs((), (), monotone=("x", "up")), r"monotone is of another type: tuple"),
        (lambda: TimeAtRisk("60"), r"horizon_days is no whole number of days"),
        (lambda: TimeAtRisk(60.5), r"horizon_days is no whole number of days"),
        (lambda: Cohort(("alive",)), r"a criterion is of another type: str"),
    ],
)
def test_its_parts_are_refused_alike(make, message):
    with pytest.raises(InputError, match=message):
        make()


def criterion(test) -> Criterion:
    return Criterion("mine", ("age_years",), test, "", "")


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (
            lambda c: c["age_year"] > 3,
            r"criterion 'mine': reads 'age_year', which is not in its needs; did you mean 'age",
        ),
        (lambda c: True, r"does not give one answer, true or false, a row"),
        (lambda c: c["age_years"] > 3 and c["age_years"] < 9, r"its test fails: ValueError"),
    ],
)
def test_a_criterion_that_cannot_be_asked_is_named(lake, test, message):
    columns, log = {"age_years": np.array([1.0, 2.0]), "age_year": np.array([1.0, 2.0])}, Attrition()
    log.start("two", np.array(["a", "b"]))
    with pytest.raises(InputError, match=message):
        Cohort((criterion(test),)).apply(columns, np.array(["a", "b"]), log)
    from training.labelled import labelled

    with pytest.raises(InputError, match="task churn_90d: cohort, criterion 'mine'"):
        labelled(replace(CHURN, cohort=Cohort((criterion(test),))), lake)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"core": (), "crosses": ()}, r"core names no feature that its models may read"),
        ({"scores": ("findrsc",)}, r"no published score 'findrsc'; did you mean 'findrisc'"),
    ],
)
def test_what_only_the_catalogue_knows_is_checked_before_the_vectors(lake, changes, message):
    from training.labelled import labelled

    with pytest.raises(InputError, match=message):
        labelled(replace(CHURN, inputs=replace(CHURN.inputs, **changes)), lake)
    with pytest.raises(InputError, match="no purpose 'care_folowup'; did you mean 'care_followup'"):
        labelled(replace(CHURN, purposes=("care_folowup",)), lake)


RAISES = "def make():\n    raise RuntimeError('no licence')\n"


def test_an_estimator_that_cannot_be_made_is_named_before_any_work(store, sample, home, tmp_path, monkeypatch):
    (tmp_path / "raises.py").write_text(RAISES)
    (tmp_path / "unread.py").write_text("def make(:\n")
    (tmp_path / "divides.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    for given, message in (
        ("raises:make", r"--estimator raises:make: its function fails: RuntimeError: no licence"),
        ("unread:make", r"--estimator unread:make: cannot be imported: SyntaxError"),
        ("divides:make", r"cannot be imported: ZeroDivisionError"),
    ):
        with pytest.raises(InputError, match=message):
            run("churn_90d", sample / "lake", estimator=given)


@pytest.mark.parametrize(
    ("asked", "taken", "message"),
    [
        ("churn_90d", {"storage": "trials.log"}, r"--storage does nothing without trials; add --trials 50"),
        ("churn_90d", {"study": "one"}, r"--study does nothing without trials; add --trials 50"),
        ("churn_90d", {"storage": "trials.log", "trials": 2}, r"--storage, --study: one without the other"),
        ("churn_90d", {"storage": "bogus://x", "study": "one", "trials": 2}, r"--storage bogus://x: cannot be opened"),
        ("churn_90d", {"storage": "no/such/folder/t.log", "study": "one", "trials": 2}, r"cannot be opened"),
        ("churn_90d", {"estimator": "mine:make", "trials": 2}, r"--estimator takes no --trials"),
        ("self_test_diabetes", {"sample": 0.05}, r"missing \d+ more events .*; take more of the people"),
        ("screening_breast_cancer", {"sample": 0.5}, r"takes no --sample; leave it out"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(store, sample, home, asked, taken, message):
    with pytest.raises(InputError, match=message):
        run(asked, sample / "lake", **taken)
