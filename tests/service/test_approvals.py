"""Approvals: signed by the author, approved by somebody else, signed again, and nothing else is loaded."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import orjson
import pytest

from features.errors import InputError
from serving import approvals, production
from serving.ledger import Ledger
from tests.service.conftest import put_forward, scorer_of, self_test_scorer
from training import manifest
from training.tasks import task as task_named

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("artefact") / "churn"
    return folder, scorer_of(task_named("churn_90d")).save(folder, {})


@pytest.fixture
def proposal(artefact: tuple[Path, str], tmp_path: Path) -> Path:
    folder, digest = artefact
    told = {"task": "churn_90d", "version": "1", "digest": digest, "author": "scientist", "artefact": str(folder)}
    put_forward(tmp_path / "proposal.json", told)
    return tmp_path / "proposal.json"


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    opened = Ledger(tmp_path / "home" / "ledger.db")
    yield opened
    opened.close()


def _approve(proposal: Path, ledger: Ledger, who: str = "reviewer", clinician: str | None = None) -> None:
    approvals.approve(proposal, proposal.parent / "home", ledger, who, clinician)


def test_an_approval_is_recorded_and_signed(proposal: Path, ledger: Ledger) -> None:
    _approve(proposal, ledger, clinician="dr-li")
    entry = ledger.latest("approval", 1)[0]
    assert approvals.sound(ledger, entry.header)
    assert (entry.header["author"], entry.header["approver"], entry.header["clinician"]) == (
        "scientist",
        "reviewer",
        "dr-li",
    )
    assert production.standing(ledger)["churn_90d"].approval["version"] == "1"


@pytest.mark.parametrize(
    ("who", "clinician"), [("scientist", None), ("reviewer", "scientist"), ("reviewer", "reviewer")]
)
def test_author_approver_and_clinician_are_different_people(
    proposal: Path, ledger: Ledger, who: str, clinician: str | None
) -> None:
    with pytest.raises(InputError):
        _approve(proposal, ledger, who, clinician)
    assert ledger.head().seq == 0


@pytest.mark.parametrize("change", [{"version": "2"}, {"author": "another"}, {"gates": []}, {"signature": None}])
def test_a_proposal_changed_since_it_was_signed_is_refused(
    proposal: Path, ledger: Ledger, change: dict[str, Any]
) -> None:
    proposal.write_bytes(orjson.dumps({**orjson.loads(proposal.read_bytes()), **change}))
    with pytest.raises(InputError, match="signed"):
        _approve(proposal, ledger)


def test_a_key_that_is_not_the_authors_is_refused(
    proposal: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from training.signing import sign

    monkeypatch.setenv("CAREPATH_HOME", str(tmp_path / "elsewhere"))
    sign({}, "scientist")
    with pytest.raises(InputError, match="another key"):
        _approve(proposal, ledger)


def test_an_entry_that_the_service_did_not_sign_puts_nothing_into_production(proposal: Path, ledger: Ledger) -> None:
    _approve(proposal, ledger)
    real = ledger.latest("approval", 1)[0].header
    forged = {**real, "version": "99", "digest": "0" * 64}
    with ledger.writing() as appender:
        appender.append("approval", uuid.uuid4().hex, forged, {})
        appender.append("rollback", uuid.uuid4().hex, {**forged, "identity": "x"}, {})
    assert production.standing(ledger)["churn_90d"].approval["version"] == "1"


def _edited(folder: Path, task: str, files: dict[str, Any]) -> Path:
    """Put forward an artefact whose files agree with their manifest and were not made by training."""
    digest = manifest.write(folder / "edited", files)
    told = {"task": task, "version": "1", "digest": digest, "author": "scientist"}
    put_forward(folder / "edited.json", {**told, "artefact": str(folder / "edited")})
    return folder / "edited.json"


def test_a_disease_risk_task_needs_a_named_clinician(ledger: Ledger, tmp_path: Path) -> None:
    scorer = scorer_of(task_named("diabetes_12m"))
    proposal = _edited(tmp_path, "diabetes_12m", manifest.read(tmp_path / "first", scorer.save(tmp_path / "first", {})))
    with pytest.raises(InputError, match="needs a named clinician"):
        _approve(proposal, ledger)
    assert ledger.head().seq == 0
    _approve(proposal, ledger, clinician="dr-li")
    assert ledger.latest("approval", 1)[0].header["clinician"] == "dr-li"


def test_a_group_without_a_reviewed_template_is_not_approved(ledger: Ledger, tmp_path: Path) -> None:
    files = manifest.read(tmp_path / "first", self_test_scorer().save(tmp_path / "first", {}))
    told = orjson.loads(files["scorer.json"])
    for each in told["spec"]["features"]:
        each["group"] = {"age": "age_felt"}.get(each["group"], each["group"])
    proposal = _edited(tmp_path, "self_test_diabetes", {**files, "scorer.json": orjson.dumps(told)})
    with pytest.raises(InputError, match="no reviewed template for age_felt"):
        _approve(proposal, ledger, clinician="dr-li")
    assert ledger.head().seq == 0


def test_an_artefact_that_scores_its_golden_rows_otherwise_is_not_approved(ledger: Ledger, tmp_path: Path) -> None:
    scorer = scorer_of(task_named("churn_90d"))
    files = manifest.read(tmp_path / "first", scorer.save(tmp_path / "first", {}))
    golden = orjson.loads(files["golden.json"])
    golden["margin"][0] += 1e-3
    proposal = _edited(tmp_path, "churn_90d", {**files, "golden.json": orjson.dumps(golden)})
    with pytest.raises(InputError, match="golden rows"):
        _approve(proposal, ledger)
    assert ledger.head().seq == 0
