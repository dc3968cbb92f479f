"""A data scientist's own tasks, diseases, classifiers, and rules: from a file, or from the hospital's folder."""

import hashlib
import json
import shutil
import sys

import numpy as np
import pytest

from features.errors import InputError
from training import tracking
from training.estimator import made
from training.labelled import labelled
from training.proposal import propose
from training.run import run
from training.tasks import task, tasks
from training.tasks.own import declared, files_of

QUICK = ("models.lightgbm.rounds=30", "evaluation.replicates=60")
MY_TASK = '''
from features import feature_group
from training.cohort import Cohort
from training.outcome import NoContact
from training.task import Inputs, Task, TimeAtRisk
from training.tasks.criteria import ALIVE, EXPECTED_BACK, SEEN_THIS_YEAR, STAYED

@feature_group(source="encounters", purposes=("care_followup",), why="who came comes", clinical_group="visits")
def my_visits(history):
    """Visits of half a year."""
    return {"my_visit_count_200d": history.where(status="finished").within(days=200).count()}

SILENT = Task(
    name="silent_60d", kind="churn", zh="60天无接触", en="silent for 60 days", purposes=("care_followup",),
    time=TimeAtRisk(horizon_days=60), cohort=Cohort((ALIVE, STAYED, SEEN_THIS_YEAR, EXPECTED_BACK)),
    outcome=NoContact(),
    inputs=Inputs(clinical_groups=("visits", "care_plan"), core=("my_visit_count_200d", "visit_days_since"),
                  baselines={"recency": ("visit_days_since", "up")}),
)
'''
GOUT = """
diseases:
  gout: {codelist: gout, ages: [18, 90], lookback_days: 365, washout_days: 30, horizons_months: [12, 36],
         exclude_drugs: [urate_lowering], monotone: {uric_acid_last_12m: up}}
"""
URIC = '''
from features import feature_group
from features.codes import codelist

@feature_group(source="observations", purposes=("care_followup", "screening_invitation"), why="urate precedes gout",
               clinical_group="urate")
def uric(history):
    """Uric acid of a year. Unit: umol/L; read since the disease names it, though no task reads its group."""
    return {"uric_acid_last_12m": history.coded(codelist("uric_acid")).within(days=365).last("value")}
'''
LOST = '''
@feature_group(source="encounters", purposes=("care_followup",), why="who came comes", clinical_group="visits")
def my_visits(history):
    """Visits of half a year."""
    return {"my_visit_count_200d": history.where(status="finished").within(days=200).count()}

@feature_group(source="diagnoses", purposes=("care_followup",), why="never seen here", clinical_group="visits")
def lost(history):
    """A code that no lake of ours holds."""
    return {"lost_ever": history.coded("Q99.99").exists()}
'''


@pytest.fixture
def hospital(tmp_path, monkeypatch):
    """A hospital's folder with the gout of the documentation."""
    folder = tmp_path / "hospital"
    (folder / "codes").mkdir(parents=True)
    (folder / "params.yaml").write_text(GOUT, encoding="utf-8")
    (folder / "groups.py").write_text(URIC, encoding="utf-8")
    (folder / "tasks.py").write_text(MY_TASK, encoding="utf-8")
    (folder / "codes" / "gout.csv").write_text("code_system,code,zh,en\nICD-10,M10,痛风,gout\n", encoding="utf-8")
    urate = "code_system,code,zh,en\nATC,M04AA,降尿酸药,urate-lowering medicines\n"
    (folder / "codes" / "urate_lowering.csv").write_text(urate, encoding="utf-8")
    monkeypatch.setenv("CAREPATH_HOSPITAL", str(folder))
    return folder


def test_a_task_of_a_file_runs_with_the_groups_beside_it(sample, store, home, tmp_path):
    file, helpers = tmp_path / "my_task.py", tmp_path / "helpers.py"
    text = "from helpers import DAYS\n" + MY_TASK.replace("horizon_days=60", "horizon_days=DAYS")
    file.write_text(text, encoding="utf-8")
    helpers.write_text("DAYS = 60\n", encoding="utf-8")
    trained = run(str(file), sample / "lake", QUICK)
    assert trained.task == "silent_60d" and trained.figures["test_auroc"] > 0.6
    kept = tracking.fetch("silent_60d", trained.version)
    assert "my_visit_count_200d" in json.loads((kept / "scorer.json").read_text())["spec"]["features"][-1]["name"]
    assert json.loads((kept / "siblings.json").read_text()) == {"helpers.py": "DAYS = 60\n"}
    tags = tracking.version("silent_60d", trained.version).tags
    assert tags["task_file"] == hashlib.sha256(text.encode()).hexdigest()
    assert tags["task_siblings"] == hashlib.sha256((kept / "siblings.json").read_bytes()).hexdigest()
    again = tmp_path / "again.py"  # the run holds what it was made with, so that it can be made again
    again.write_bytes((kept / "task.py").read_bytes())
    second = run(str(again), sample / "lake", QUICK)
    assert second.figures == trained.figures
    helpers.unlink()
    tracking.crown("silent_60d", trained.version, trained.digest)
    champion = [gate for gate in propose("silent_60d", second.version, "author").gates if "champion 1" in gate.name]
    assert {gate.name.rpartition(" ")[2] for gate in champion} == {"auroc_gain", "brier_gain", "explanations"}


def test_tasks_of_two_folders_import_modules_of_one_name_and_leave_nothing_behind(tmp_path):
    """Also of a package; one called ``features`` does not stand for ours, and what changed is read again."""
    own = MY_TASK.replace("horizon_days=60", "horizon_days=DAYS + more.DAYS")
    for name, days in (("one", 60), ("other", 45)):
        (tmp_path / name / "deep").mkdir(parents=True)
        texts = {
            "helpers.py": f"from deep.more import DAYS as MORE\nDAYS = {days}\n",
            "deep/__init__.py": "",
            "deep/more.py": "DAYS = 5\n",
            "features.py": "",
            "my_task.py": "from helpers import DAYS\nfrom deep import more\n" + own,
            "unread.py": "",
        }
        for path, text in texts.items():
            (tmp_path / name / path).write_text(text, encoding="utf-8")
    path, modules = list(sys.path), {*sys.modules}
    horizons = [task(str(tmp_path / name / "my_task.py")).horizon_days for name in ("one", "other", "one")]
    assert horizons == [65, 50, 65] and sys.path == path
    assert not {each for each in {*sys.modules} - modules if not each.startswith("carepath_task_")}
    kept = files_of(f"{tmp_path / 'one' / 'my_task.py'}:silent_60d")
    assert {*json.loads(kept["siblings.json"])} == {"helpers.py", "deep/__init__.py", "deep/more.py"}
    for name, text in kept.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    shutil.rmtree(tmp_path / "one")
    assert declared("silent_60d", tmp_path).horizon_days == 65
    (tmp_path / "other" / "helpers.py").write_text("import nothing_here\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"task my_task.py: cannot be imported: .*nothing_here"):
        task(str(tmp_path / "other" / "my_task.py"))
    assert sys.path == path and not {"helpers", "deep"} & {*sys.modules}


def test_the_gout_of_the_documentation_is_two_tasks(hospital, lake):
    each = task("gout_36m")
    assert each.horizon_days == 1095 and each.inputs.monotone == {"uric_acid_last_12m": "up"}
    assert {"gout_dx_ever", "gout_drug_ever"} <= set(each.cohort.needs)
    assert task("silent_60d").name == "silent_60d"
    data = labelled("gout_12m", lake)
    assert "uric_acid_last_12m" in data.spec.names and data.y.sum() == 0


def test_one_wrong_entry_of_the_hospital_is_named_and_stops_no_other_task(hospital, tmp_path, monkeypatch):
    other = tmp_path / "other"
    shutil.copytree(hospital, other)
    (other / "params.yaml").write_text(GOUT.replace("[urate_lowering]", "[urate_lowring]"), encoding="utf-8")
    monkeypatch.setenv("CAREPATH_HOSPITAL", str(other))
    assert task("copd_12m").name == "copd_12m" and task("silent_60d").name == "silent_60d"
    wrong = r"hospital params.yaml diseases.gout.exclude_drugs: .*did you mean 'urate_lowering'"
    for asked in (lambda: task("gout_36m"), tasks):
        with pytest.raises(InputError, match=wrong):
            asked()
    with pytest.raises(InputError, match=r"^params.yaml diseases.copd: time at risk: .*washout"):
        task("copd_12m", ("diseases.copd.washout_days=4000",))


def test_a_disease_may_stand_alone_in_the_hospitals_params(hospital, tmp_path, monkeypatch):
    other = tmp_path / "other"
    shutil.copytree(hospital, other)
    alone = GOUT.replace("diseases:\n", "").replace("\n  ", "\n")
    (other / "params.yaml").write_text(alone + "churn_interval: {factor: 2}\n", encoding="utf-8")
    listed = task("gout_36m")
    monkeypatch.setenv("CAREPATH_HOSPITAL", str(other))
    assert task("gout_36m").inputs == listed.inputs and task("gout_12m").horizon_days == 365
    assert task("copd_12m").name == "copd_12m" and "2 times" in task("churn_interval").en


def test_own_work_travels_with_the_artefact_and_codes_that_never_occur_are_named(hospital, sample, store, home):
    (hospital / "groups.py").write_text(URIC + LOST, encoding="utf-8")
    trained = run("silent_60d", sample / "lake", QUICK)
    assert "no code of Q99.99 occurs, so empty: lost_ever" in trained.notes
    kept = json.loads((tracking.fetch("silent_60d", trained.version) / "hospital.json").read_text())
    assert set(kept["files"]) == {
        "codes/gout.csv", "codes/urate_lowering.csv", "groups.py", "params.yaml", "tasks.py"
    }  # fmt: skip
    assert kept["files"]["params.yaml"] == GOUT and len(kept["digest"]) == 64


def test_without_the_folder_its_tasks_are_gone(hospital, monkeypatch):
    assert task("gout_12m").name == "gout_12m"
    monkeypatch.delenv("CAREPATH_HOSPITAL")
    with pytest.raises(InputError, match="no task 'gout_12m'"):
        task("gout_12m")


def test_a_file_with_several_tasks_is_asked_by_name(tmp_path):
    file = tmp_path / "two.py"
    file.write_text(MY_TASK + "\nfrom dataclasses import replace\nOTHER = replace(SILENT, name='other')\n")
    with pytest.raises(InputError, match="declares several tasks"):
        task(str(file))
    assert task(f"{file}:other").name == "other"
    with pytest.raises(InputError, match="did you mean 'other'"):
        task(f"{file}:othr")
    with pytest.raises(InputError, match="there is no such file"):
        task(str(tmp_path / "none.py"))
    (tmp_path / "empty.py").write_text("x = 1\n")
    with pytest.raises(InputError, match="declares no task"):
        task(str(tmp_path / "empty.py"))
    (tmp_path / "broken.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(InputError, match="cannot be imported"):
        task(str(tmp_path / "broken.py"))


def test_any_classifier_is_judged_and_never_proposed(sample, store, home, tmp_path, monkeypatch):
    text = (
        "from sklearn.ensemble import HistGradientBoostingClassifier\n"
        "def make():\n    return HistGradientBoostingClassifier(max_iter=20)\n"
    )
    (tmp_path / "mine.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    trained = run("churn_90d", sample / "lake", QUICK, estimator="mine:make")
    assert trained.figures["test_gain_recency"] > 0 and any("sample weights used" in note for note in trained.notes)
    kept = tracking.version("churn_90d", trained.version)
    assert kept.figures["test_auroc"] == trained.figures["test_auroc"] and kept.overrides == QUICK
    assert tracking.fetch("churn_90d", trained.version, "estimator.py").read_text() == text
    assert kept.tags["estimator_digest"] == hashlib.sha256(text.encode()).hexdigest()
    with pytest.raises(InputError, match="only compared: it keeps no model"):
        tracking.fetch("churn_90d", trained.version)
    with pytest.raises(InputError, match="'churn_90d' has no version"):
        tracking.latest("churn_90d")  # none that holds a model
    with pytest.raises(InputError, match=r"HistGradientBoostingClassifier.*does not explain itself exactly"):
        propose("churn_90d", trained.version, "author")
    for given, message in (
        ("mine", "module:function"),
        ("none_such:make", "cannot be imported"),
        ("mine:makes", "did you mean 'make'"),
        ("collections:Counter", "has no fit"),
    ):
        with pytest.raises(InputError, match=message):
            made(given)


def test_a_rule_counts_who_meets_it_and_registers_nothing(sample, store, home):
    found = run("screening_breast_cancer", sample / "lake")
    assert found.version == "none (a rule)" and "not a model" in found.notes[0]
    assert 0 < found.figures["met"] <= found.figures["eligible"]
    assert [row["step"] for row in found.attrition][-1] == "no breast cancer yet"
    for asked, taken in (
        ("screening_breast_cancer", {"estimator": "mine:make"}),
        ("self_test_diabetes", {"trials": 3}),
    ):
        with pytest.raises(InputError, match=f"takes no --{next(iter(taken))}"):
            run(asked, sample / "lake", **taken)
    for share in (0.0, -0.1, 1.5, float("nan")):
        with pytest.raises(InputError, match="is no share of the patients"):
            run("churn_90d", sample / "lake", sample=share)


def test_the_screening_rules_by_hand():
    breast, bowel = task("screening_breast_cancer").rule, task("screening_colorectal_cancer").rule
    nan = np.nan
    base = {"age_years": 50.0, "family_breast_cancer": 0.0, "mammography_days_since": nan}
    assert [each.name for each in breast.reasons(base)] == ["from 45, no mammography in two years"]
    assert not breast.reasons(base | {"mammography_days_since": 700.0})
    assert not breast.reasons(base | {"age_years": 42.0})
    family = base | {"age_years": 42.0, "family_breast_cancer": 1.0, "mammography_days_since": 400.0}
    assert [each.name for each in breast.reasons(family)] == ["a relative had it, no mammography in a year"]
    base = {
        "age_years": 55.0,
        "family_colorectal_cancer": 0.0,
        "colonoscopy_days_since": nan,
        "stool_test_days_since": nan,
    }
    assert bowel.reasons(base) and not bowel.reasons(base | {"stool_test_days_since": 100.0})
    assert not bowel.reasons(base | {"colonoscopy_days_since": 3000.0}) and not bowel.reasons(
        base | {"age_years": 45.0}
    )
    assert bowel.reasons(base | {"age_years": 45.0, "family_colorectal_cancer": 1.0, "stool_test_days_since": 100.0})
