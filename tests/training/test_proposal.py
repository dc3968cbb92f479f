"""Proposals: signed by their author, compared with the champion on the same rows, refused where they must be."""

import json
import stat

import numpy as np
import pytest

import training
from features.errors import InputError
from training.comparison import compare
from training.gates import gates
from training.landmarked import fit
from training.proposal import Proposal
from training.signing import public_key, sign, verify

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


@pytest.mark.slow
def test_a_worse_challenger_is_blocked_on_the_same_rows(lake):
    data = training.dataset("churn_90d", lake)
    good = fit(data, QUICK).scorer
    worse = fit(data, (*QUICK, "models.seed=8")).scorer
    noise = np.random.default_rng(0).permutation(len(data.y))
    from dataclasses import replace

    spoiled = fit(replace(data, y=np.where(data.split == "train", data.y[noise], data.y)), QUICK).scorer
    even = compare(worse, good, "1", data, lake)
    assert even.overlap > 0.5 and not any(gate.verdict == "block" for gate in even.gates())
    assert even.figures["auroc_gain"].covers(0)
    bad = compare(spoiled, good, "1", data, lake)
    assert bad.figures["auroc_gain"].hi < 0
    assert bad.gates()[0].verdict == "block"
