"""Vectors kept on disk: filled bucket by bucket, resumed where they were left, read back when asked again.

A question is a lake's content, a VectorSpec and landmarks; its answer is one ``.npy`` file. While it
is being filled it lies in a folder of its own, with a line for every bucket that stands on disk, so
that a build that is killed goes on where it was.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np

from features.errors import InputError
from features.lake import Lake
from features.vector import VectorSpec

_CHUNK = 64 * 2**20
"""Bytes read or written at once."""


class Kept:
    """The answer to one question.

    Parameters
    ----------
    lake
        Whose content is asked.
    spec
        The columns.
    patients, at
        (n,) ids as strings, and UTC microseconds.
    """

    def __init__(self, lake: Lake, spec: VectorSpec, patients: np.ndarray, at: np.ndarray) -> None:
        told = hashlib.sha256(f"{lake.digest} {spec.digest} {len(at)}".encode())
        told.update("\x1f".join(patients).encode())
        told.update(np.ascontiguousarray(at).tobytes())
        self.file = cache() / f"{told.hexdigest()}.npy"
        self._folder = self.file.with_suffix(".partial")
        self._shape = (len(at), len(spec.names))

    @property
    def whole(self) -> bool:
        """Whether the answer stands."""
        return self.file.is_file()

    @property
    def spread(self) -> Path:
        """Folder for the lake's rows by bucket, kept as long as the answer is being filled."""
        return self._folder / "rows"

    def array(self) -> np.ndarray:
        """Return the (n, features) vectors."""
        found: np.ndarray = np.load(self.file, allow_pickle=False)
        return found

    def chunks(self) -> Iterator[np.ndarray]:
        """Yield the vectors in order, some rows at a time, so that they need not fit in memory."""
        rows, size = max(_CHUNK // (8 * max(self._shape[1], 1)), 1), self._shape[0]
        with self.file.open("rb") as stream:
            np.lib.format.read_magic(stream)
            np.lib.format.read_array_header_1_0(stream)
            for first in range(0, size, rows):
                count = min(rows, size - first) * self._shape[1]
                yield np.fromfile(stream, np.float64, count).reshape(-1, self._shape[1])

    def save(self, values: np.ndarray) -> None:
        """Keep an answer that was computed in one piece."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.file.with_suffix(f".{os.getpid()}.npy")
        try:
            np.save(fresh, values, allow_pickle=False)
            fresh.replace(self.file)
        finally:
            fresh.unlink(missing_ok=True)

    @contextmanager
    def filling(self, parts: int) -> Iterator[set[int]]:
        """Fill the answer in this many parts, one process at a time; yield those that stand already.

        Leaving without a mistake makes the answer whole.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.whole:
                if self._noted()[:1] != [f"parts {parts}"]:
                    self._begin(parts)
                yield {int(line) for line in self._noted()[1:]}
                self._vectors.replace(self.file)
            else:
                yield set(range(parts))
            shutil.rmtree(self._folder, ignore_errors=True)

    def put(self, part: int, rows: np.ndarray, values: np.ndarray) -> None:
        """Store the vectors of some landmarks, and note once they are on disk that this part stands.

        Parameters
        ----------
        rows
            Their places, ascending.
        """
        edges = np.flatnonzero(np.diff(rows) != 1) + 1
        width = 8 * self._shape[1]
        with self._vectors.open("r+b") as stream:
            for first, last in zip([0, *edges], [*edges, len(rows)]):
                if first < last:
                    stream.seek(self._start + int(rows[first]) * width)
                    stream.write(np.ascontiguousarray(values[first:last]).data)
            stream.flush()
            os.fdatasync(stream.fileno())
        with self._notes.open("a") as notes:
            notes.write(f"{part}\n")
            notes.flush()
            os.fdatasync(notes.fileno())

    def _begin(self, parts: int) -> None:
        for old in (self._notes, self._vectors):
            old.unlink(missing_ok=True)
        shutil.rmtree(self.spread, ignore_errors=True)
        with self._vectors.open("wb") as stream:
            stream.write(self._header)
            stream.truncate(self._start + 8 * self._shape[0] * self._shape[1])
        self._notes.write_text(f"parts {parts}\n")

    def _noted(self) -> list[str]:
        """Return the lines that were written to their end."""
        text = self._notes.read_text() if self._notes.is_file() else ""
        return text[: text.rfind("\n") + 1].split("\n")[:-1]

    @property
    def _notes(self) -> Path:
        return self._folder / "done"

    @property
    def _vectors(self) -> Path:
        return self._folder / "vectors.npy"

    @cached_property
    def _header(self) -> bytes:
        stream = io.BytesIO()
        described = {"descr": "<f8", "fortran_order": False, "shape": self._shape}
        np.lib.format.write_array_header_1_0(stream, described)
        return stream.getvalue()

    @property
    def _start(self) -> int:
        return len(self._header)


@contextmanager
def room() -> Iterator[None]:
    """Turn a disk that is full, or a folder that may not be written, into one line.

    Raises
    ------
    InputError
        The operating system refused to write.
    """
    try:
        yield
    except OSError as error:
        why, remedy = error.strerror or "there is no room", "make room, or name another folder in CAREPATH_HOME"
        raise InputError(f"cannot write: {why}", where=f"kept vectors, {cache()}", remedy=remedy) from error


def cache() -> Path:
    """Return the folder of what is kept."""
    return Path(os.environ.get("CAREPATH_HOME", "var")) / "cache"
