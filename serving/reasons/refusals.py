"""What is said instead of a score, and the names of the groups."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

from features.codes.codelist import rows
from features.errors import InputError
from serving.reasons.templates import FOLDER, check_wording

Action = Literal["ask_consent", "send_to_person", "do_not_contact", "retry_after_data", "none"]
ACTIONS = ("ask_consent", "send_to_person", "do_not_contact", "retry_after_data", "none")


@dataclass(frozen=True)
class Refusal:
    """Why there is no score, in both languages, and what the caller should do."""

    code: str
    message_zh: str
    message_en: str
    action: Action

    def answer(self) -> dict[str, str]:
        """Return it as an answer carries it."""
        return {
            "code": self.code,
            "message_zh": self.message_zh,
            "message_en": self.message_en,
            "action": self.action,
        }


def refusal(code: str) -> Refusal:
    """Return the reviewed refusal of that code, or raise InputError naming the nearest."""
    known = refusals()
    if code not in known:
        raise InputError(f"no refusal '{code}'", where="serving.reasons", given=code, known=tuple(known))
    return known[code]


@functools.cache
def refusals() -> dict[str, Refusal]:
    """Return every refusal by its code."""
    found: dict[str, Refusal] = {}
    for line, (code, action, zh, en, _, _, _) in rows(
        FOLDER / "refusals.csv", ("code", "action", "zh", "en", "author", "reviewer", "date")
    ):
        where = f"refusals.csv line {line}"
        if action not in ACTIONS:
            raise InputError(f"no action '{action}'", where=where, given=action, known=ACTIONS)
        check_wording(zh, where)
        check_wording(en, where)
        found[code] = Refusal(code, zh, en, action)  # type: ignore[arg-type]
    return found


@functools.cache
def group_names() -> dict[str, tuple[str, str]]:
    """Return the Chinese and English name of every clinical and content group."""
    return {group: (zh, en) for _, (group, _, zh, en) in rows(FOLDER / "groups.csv", ("group", "kind", "zh", "en"))}
