"""Proposals: signed by their author, compared with the champion on the same rows, refused where they must be."""

import json
import stat

import numpy as np
import pytest

from features.errors import InputError
from features.sources.nhanes import frame
from training.candidates import linear
from training.comparison import compare, compare_held_out
from training.gates import gates
from training.held_out import HeldOut
from training.labelled import labelled
from training.landmarked import fit
from training.models.values import model_values
from training.proposal import Proposal
from training.scorer import Scorer
from training.screening import folded, margins, people, spec
from training.signing import public_key, sign, verify
from training.tasks import task

QUICK = ("models.lightgbm.rounds=20", "evaluation.replicates=60", "models.logistic.penalties=[100]")


def proposal(**changes) -> Proposal:
    given = {
        "task": "churn_90d",
        "version": "3",
        "digest": "a" * 64,
        "author": "an author",
        "proposed_at": "2026-01-01T00:00:00+00:00",
        "artefact": "",
        "impact_assessment": "PIA-7",
        "figures": {"test_auroc": 0.8},
        "gates": gates({}, {}, True),
    }
    return Proposal(**given | changes)


@pytest.fixture
def keys(tmp_path, monkeypatch):
    monkeypatch.setenv("CAREPATH_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "authors"


def test_a_proposal_is_signed_and_any_change_shows(keys, tmp_path):
    file = proposal().write(tmp_path / "proposal.json")
    told = json.loads(file.read_text())
    assert verify(told) == public_key("an author")
    assert stat.S_IMODE((keys / "an author.key").stat().st_mode) == 0o600
    for name, value in {"digest": "b" * 64, "author": "another", "gates": [], "champion": "9"}.items():
        with pytest.raises(InputError, match="changed after it was signed"):
            verify({**told, name: value})
    with pytest.raises(InputError, match="is not signed"):
        verify({name: value for name, value in told.items() if name != "signature"})
    with pytest.raises(InputError, match="changed after it was signed"):
        verify({**told, "signature": sign({**told, "version": "4"}, "an author")})


def test_a_key_that_others_may_read_is_refused(keys):
    sign({}, "careless")
    (keys / "careless.key").chmod(0o644)
    with pytest.raises(InputError, match="may be read by others"):
        sign({}, "careless")
    with pytest.raises(InputError, match="is no key"):
        (keys / "careless.key").write_text("no")
        (keys / "careless.key").chmod(0o600)
        sign({}, "careless")


def test_the_gates_of_an_assessment():
    trust = {
        "fairness": [
            {"axis": "sex", "group": "female", "verdict": "block", "why": ["gap"]},
            {"axis": "sex", "group": "male", "verdict": "pass", "why": []},
            {"axis": "region", "group": "11", "verdict": "insufficient", "why": []},
        ],
        "leaks": [{"feature": "x", "text": "alone .99"}],
        "shuffled": {"alarm": False, "text": "AUROC .50"},
        "stability": {"overlap": 0.5, "rows": 3000},
        "curvature": {"suffices": True, "text": ""},
    }
    found = {gate.name: gate.verdict for gate in gates({}, {"kind": "churn"}, True, trust)}
    assert found["fairness sex female"] == found["leak x"] == found["stable reasons"] == "block"
    assert found["shuffled labels"] == found["fairness"] == found["affine calibration suffices"] == "pass"
    slope = {"test_slope": 0.5, "test_slope_lo": 0.4, "test_slope_hi": 0.6}
    assert gates(slope, {"kind": "churn"}, True)[0].verdict == "warn"
    assert gates(slope, {"kind": "incident"}, True)[0].verdict == "block"


def test_self_tests_are_compared_on_people_whom_neither_model_saw():
    asked = task("self_test_diabetes")
    given = people(frame(), asked.inputs.core, asked.outcome)
    values = model_values(("models.logistic.penalties=[30]",))
    fit = linear(asked.inputs, given.names, values)
    names = spec(asked.questionnaire, given.names)
    model = fit(given.x, given.y, given.person)
    scorer = Scorer.of(model, task=asked.name, horizon_days=0, spec=names, bands=(0.1, 0.2, 0.5), calibration=(1, 0))
    held = folded(given, margins(fit), 1, 7, "test").calibrated(given.y)[0]
    good = HeldOut.of(given.person, given.y, held)
    guess = HeldOut.of(given.person, given.y, np.random.default_rng(0).permutation(held))
    quick = ("evaluation.replicates=60",)
    even = compare_held_out((scorer, good), (scorer, good), "1", asked, quick)
    assert (even.rows, even.overlap) == (4051, 1.0) and even.figures["auroc_gain"].value == 0
    worse = compare_held_out((scorer, guess), (scorer, good), "1", asked, quick)
    assert {gate.name: gate.verdict for gate in worse.gates()}["against champion 1: auroc_gain"] == "block"
    better = compare_held_out((scorer, good), (scorer, guess), "1", asked, quick)
    assert better.figures["auroc_gain"].lo > 0.1 and not any(gate.verdict == "block" for gate in better.gates())
    others = HeldOut.of(given.person, 1 - given.y, held)
    with pytest.raises(InputError, match="people are not those"):
        compare_held_out((scorer, others), (scorer, good), "1", asked, quick)


def test_what_was_held_out_is_read_again_and_names_nobody(tmp_path):
    made = HeldOut.of(np.array(["person-1", "person-2"]), np.array([0.0, 1.0]), np.array([0.25, 1 / 3]))
    (tmp_path / "held_out.json").write_text(made.to_json())
    again = HeldOut.read(tmp_path)
    assert again.people == made.people and again.probability.tolist() == [0.25, 0.333333]
    assert "person-" not in made.to_json()
    with pytest.raises(InputError, match="train it again"):
        HeldOut.read(tmp_path / "elsewhere")


@pytest.mark.slow
def test_a_worse_challenger_is_blocked_on_the_same_rows(lake):
    data = labelled("churn_90d", lake)
    good = fit(data, QUICK).scorer
    worse = fit(data, (*QUICK, "models.seed=8")).scorer
    from dataclasses import replace

    read = np.array([name == "online_count_90d" for name in data.spec.names])
    spoiled = fit(replace(data, x=np.where(read, data.x, np.nan)), QUICK).scorer
    even = compare(worse, good, "1", data, lake)
    assert even.overlap > 0.5 and even.gates()[0].verdict == "pass"
    assert even.figures["auroc_gain"].covers(0)
    bad = compare(spoiled, good, "1", data, lake)
    assert bad.figures["auroc_gain"].hi < 0
    assert bad.gates()[0].verdict == "block"
