"""Starting the server: this process becomes BentoML's, which starts the workers."""

from __future__ import annotations

import os
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

HOME, CLOCK, WORKERS = "CAREPATH_HOME", "CAREPATH_CLOCK", "CAREPATH_WORKERS"
"""How a worker, a process of its own, learns its state folder and its clock, and BentoML how many there are."""
QUIET = {
    "BENTOML_DO_NOT_TRACK": "True",
    "OTEL_SDK_DISABLED": "true",
    "OMP_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
}
"""No telemetry, one thread a worker; in the environment before anything heavy is imported."""


def become_server(home: Path, host: str, port: int, clock: str | None, workers: int = 1) -> None:
    """Replace this process by BentoML's server of the service; it does not return.

    BentoML's own folder lies in the state folder: it holds the workers' metrics, which a start clears.
    """
    own = {HOME: str(home.resolve()), CLOCK: clock or "", WORKERS: str(workers)}
    os.environ.update({**QUIET, **own, "BENTOML_HOME": str(home.resolve() / "bentoml")})
    root = Path(__file__).resolve().parents[1]
    arguments = ["serve", "serving.service:CarePath", "--working-dir", str(root), "--host", host, "--port", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", *arguments])


def keep_pandas_out() -> None:
    """Let pyarrow look for pandas once and find none, so that no answer loads it; who names it still may."""
    import pyarrow as pa

    finder = _Without()
    sys.meta_path.insert(0, finder)
    pa.array(["x"]).to_numpy(zero_copy_only=False)
    sys.meta_path.remove(finder)


class _Without(MetaPathFinder):
    """Finds no pandas."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("left out of the process that answers", name=fullname)
