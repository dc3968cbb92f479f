"""One voice for every mistake: what, where, the nearest valid name, the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something given from outside cannot be used.

    The text says what is wrong and where; where a name was mistyped, the nearest valid one; and
    what to do. It never holds a patient's values.
    """

    def __init__(
        self, what: str, *, where: str = "", given: str = "", known: Iterable[str] = (), remedy: str = ""
    ) -> None:
        names = tuple(known)
        near = difflib.get_close_matches(given, names, n=1, cutoff=0.5) if given else []
        parts = [f"{where}: {what}" if where else what]
        if near:
            parts.append(f"did you mean '{near[0]}'?")
        elif names:
            shown = ", ".join(names[:12]) + (" ..." if len(names) > 12 else "")
            parts.append(f"known: {shown}")
        if remedy:
            parts.append(remedy)
        super().__init__("; ".join(parts))
        self.what, self.where, self.nearest, self.remedy = what, where, (near[0] if near else None), remedy
