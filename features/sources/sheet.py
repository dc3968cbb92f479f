"""Sheets: one table of an export, CSV, Parquet or Excel, streamed row by row."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from features.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

TEXT = (".csv", ".tsv", ".txt")
ENDINGS = (*TEXT, *(f"{ending}.gz" for ending in TEXT), ".parquet", ".xlsx")
_BATCH = 20_000
_LOOK = 1 << 20
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class Sheet:
    """The rows of one file, or of one sheet of a workbook.

    A CSV may be plain or gzipped, with commas, tabs, semicolons or bars; its encoding is UTF-8 (a byte
    order mark is taken off), else GB18030, which holds GBK and GB2312.

    Parameters
    ----------
    path
        The file.
    where
        How messages call it.
    encoding
        Encoding of a text file; None to see it from the file.
    sheet
        Name of the sheet in a workbook; None for the first.
    header
        Names of the columns, where the first row of the file does not say them.

    Raises
    ------
    InputError
        The file cannot be read, or holds no header.
    """

    def __init__(
        self,
        path: Path,
        where: str,
        encoding: str | None = None,
        sheet: str | None = None,
        header: tuple[str, ...] = (),
    ) -> None:
        self.path, self.where, self.sheet, self.header = path, where, sheet, header
        self.encoding = encoding or ("" if path.suffix in (".parquet", ".xlsx") else self._seen())
        with self._readable():
            self.columns = self._header()
        if not any(self.columns):
            raise InputError("holds no header", where=where, remedy="the first row names the columns")

    def rows(self, columns: Sequence[str | None]) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """Yield each row's place in the file (the first is 1, a header or not) and its values as ``columns`` go.

        A text is without surrounding blanks; an empty cell, and a column that is None, is None.

        Raises
        ------
        InputError
            The file cannot be read to its end.
        """
        with self._readable():
            if self.path.suffix == ".parquet":
                yield from self._parquet(columns)
            else:
                places = [None if name is None else self.columns.index(name) for name in columns]
                for row, cells in self._cells():
                    size = len(cells)
                    yield row, tuple(None if at is None or at >= size else _plain(cells[at]) for at in places)

    @property
    def size(self) -> int | None:
        """How many rows there are, None of a file that must be read to know."""
        if self.path.suffix != ".parquet":
            return None
        import pyarrow.parquet as pq

        rows: int = pq.read_metadata(self.path).num_rows
        return rows

    @contextmanager
    def _readable(self) -> Iterator[None]:
        remedy = "copy it again; nothing was written"
        try:
            yield
        except UnicodeDecodeError:
            raise InputError(
                f"is not {self.encoding} text throughout", where=self.where, remedy="state its encoding"
            ) from None
        except csv.Error as error:
            raise InputError(f"cannot be read: {error}", where=self.where, remedy=remedy) from None
        except PermissionError:
            raise InputError("may not be read", where=self.where, remedy="give this user the right to") from None
        except LookupError as error:
            raise InputError(str(error).strip("'\""), where=self.where) from None
        except (OSError, EOFError, zlib.error, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError("the file cannot be read to its end", where=self.where, remedy=remedy) from error

    def _opened(self) -> IO[bytes]:
        return cast("IO[bytes]", gzip.open(self.path) if self.path.suffix == ".gz" else self.path.open("rb"))

    def _seen(self) -> str:
        """Return the encoding that the first megabyte stands in."""
        with self._readable_start() as start:
            for mark, name in _BOMS:
                if start.startswith(mark):
                    return name
            try:
                codecs.getincrementaldecoder("utf-8")().decode(start)
            except UnicodeDecodeError:
                return "gb18030"
            return "utf-8"

    @contextmanager
    def _readable_start(self) -> Iterator[bytes]:
        self.encoding = ""
        with self._readable():
            with self._opened() as stream:
                start = stream.read(_LOOK)
            yield start

    def _header(self) -> tuple[str, ...]:
        if self.path.suffix == ".parquet":
            import pyarrow.parquet as pq

            return tuple(pq.read_schema(self.path).names)
        if self.header:
            return self.header
        cells: list[Any] = next((cells for _, cells in self._cells(header=True)), [])
        return tuple("" if cell is None else str(cell).strip() for cell in cells)

    def _cells(self, header: bool = False) -> Iterator[tuple[int, list[Any]]]:
        rows = self._workbook() if self.path.suffix == ".xlsx" else self._text()
        for row, cells in enumerate(rows, 1):
            if row == 1 and not header and not self.header:
                continue
            if any(cell not in (None, "") for cell in cells):
                yield row, cells

    def _text(self) -> Iterator[list[Any]]:
        with self._opened() as stream, io.TextIOWrapper(stream, encoding=self.encoding, newline="") as text:
            first = text.readline()
            mark = max("\t,;|", key=first.count)
            bare = mark == "\t" and '"' not in first
            for lines in ([first], text):
                if bare:
                    yield from csv.reader(lines, delimiter=mark, quoting=csv.QUOTE_NONE)
                else:
                    yield from csv.reader(lines, delimiter=mark)

    def _workbook(self) -> Iterator[list[Any]]:
        from zipfile import BadZipFile

        import openpyxl

        try:
            book = openpyxl.load_workbook(self.path, read_only=True, data_only=True)
        except (BadZipFile, KeyError):
            raise InputError("is no Excel workbook", where=self.where, remedy="save it as .xlsx or .csv") from None
        try:
            if self.sheet is not None and self.sheet not in book.sheetnames:
                raise InputError(
                    f"no sheet '{self.sheet}'", where=self.where, given=self.sheet, known=tuple(book.sheetnames)
                )
            for cells in (book[self.sheet] if self.sheet else book.worksheets[0]).iter_rows(values_only=True):
                yield list(cells)
        finally:
            book.close()

    def _parquet(self, columns: Sequence[str | None]) -> Iterator[tuple[int, tuple[Any, ...]]]:
        import pyarrow.parquet as pq

        wanted = list(dict.fromkeys(name for name in columns if name is not None))
        with pq.ParquetFile(self.path) as file:
            row = 1
            for batch in file.iter_batches(batch_size=_BATCH, columns=wanted):
                lists = {name: _plain_column(batch.column(name)) for name in wanted}
                nothing = [None] * batch.num_rows
                for values in zip(*(nothing if name is None else lists[name] for name in columns)):
                    row += 1
                    yield row, values


def sheets(folder: Path, remedy: str = "") -> tuple[Path, ...]:
    """Return the tables under a folder in a fixed order.

    Raises
    ------
    InputError
        There is no such folder, or no table in it.
    """
    if not folder.is_dir():
        raise InputError("there is no such folder", where=str(folder))
    found = tuple(sorted(path for path in folder.rglob("*") if path.name.lower().endswith(ENDINGS) and path.is_file()))
    if not found:
        raise InputError(
            "no table found", where=str(folder), remedy=remedy or f"expected files that end in {', '.join(ENDINGS)}"
        )
    return found


def _plain_column(column: pa.Array) -> list[Any]:
    import pyarrow as pa

    values: list[Any] = column.to_pylist()
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_floating(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return [_plain(value) for value in values]
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, float) and value != value:
        return None
    return value
