"""What docs/catalogue.md says that a new feature and a new codelist touch: its diffs, applied and built."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TRY = """
import pandas, pyarrow, yaml, features
from features.codes import codelist
from pathlib import Path
from tests.golden.test_golden import FILES, test_golden_patient

assert Path(features.__file__).is_relative_to(Path.cwd()), features.__file__
assert codelist("iron_deficiency_anaemia").matches("ICD-10", "D50.900") and codelist("iron_deficiency_anaemia").kind == "diagnosis"
[file] = [each for each in FILES if each.stem == "glycaemia"]
assert "hba1c_min_24m: 6.4" in file.read_text(encoding="utf-8")
test_golden_patient(file, Path("made"))
"""  # noqa: E501


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git to apply a diff")
def test_the_documented_diffs_apply_and_build(project: Path, tmp_path: Path) -> None:
    diffs = re.findall(r"```diff\n(.*?)```", (project / "docs/catalogue.md").read_text(encoding="utf-8"), re.DOTALL)
    touched = [re.findall(r"^\+\+\+ b/(\S+)$", each, re.MULTILINE) for each in diffs]
    assert touched == [
        ["features/groups/glycaemia.py", "tests/golden/patients/glycaemia.yaml"],
        ["features/codes/iron_deficiency_anaemia.csv"],
    ]
    for folder in ("features", "tests/golden"):
        shutil.copytree(project / folder, tmp_path / folder)
    shutil.copy(project / "params.yaml", tmp_path)
    for each in diffs:
        subprocess.run(["git", "apply", "-p1", "-"], input=each, text=True, cwd=tmp_path, check=True)
    (tmp_path / "made").mkdir()
    env = os.environ | {"PYTHONPATH": str(tmp_path), "CAREPATH_HOME": str(tmp_path / "home")}
    env.pop("CAREPATH_HOSPITAL", None)
    ran = subprocess.run([sys.executable, "-c", TRY], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
