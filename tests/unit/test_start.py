"""What the server's processes begin with."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from serving.start import keep_pandas_out
keep_pandas_out()
import pyarrow as pa
pa.chunked_array([pa.array(["a", None])]).to_numpy(zero_copy_only=False)
assert "pandas" not in sys.modules
import pandas
"""


def test_pyarrow_finds_no_pandas_and_who_names_it_does() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True)
