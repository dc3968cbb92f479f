"""Names, identity numbers and phones as they are compared."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"
_PROVINCES = frozenset(
    {*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66), 71, 81, 82, 83}
)
_DOTS = re.compile(r"[·•‧∙・.．]")
_MOBILE = re.compile(r"1[3-9]\d{9}")
_OTHER = re.compile(r"(?=.*[A-Z])[A-Z0-9]{5,20}")


def name_of(text: str | None) -> str:
    """Return a name without blanks, in one width and case, with one kind of dot; empty where there is none."""
    plain = unicodedata.normalize("NFKC", text or "")
    return _DOTS.sub("·", "".join(plain.split())).casefold()


def phone_of(text: str | None) -> str:
    """Return a phone number's digits without the country code of China; empty where they are too few."""
    digits = re.sub(r"\D", "", unicodedata.normalize("NFKC", text or ""))
    for prefix in ("0086", "86"):
        if digits.startswith(prefix) and _MOBILE.fullmatch(digits[len(prefix) :]):
            digits = digits[len(prefix) :]
    return digits if 7 <= len(digits) <= 15 else ""


def check_digit(first: str) -> str:
    """Return the check digit of a resident's number's first 17 digits.

    ISO 7064 MOD 11-2 as GB 11643-1999 applies it.
    """
    return _CHECKS[sum(int(digit) * weight for digit, weight in zip(first, _WEIGHTS)) % 11]


def number_of(text: str | None) -> str | None:
    """Return an identity number as it is compared; empty where there is none, None where it cannot be right.

    A resident's number has 18 digits, the last of which checks the others; one of the old 15 is
    written in 18. Its province and its date of birth must exist. What holds letters is another
    document's number, which nothing checks.
    """
    plain = re.sub(r"[\s\-]", "", unicodedata.normalize("NFKC", text or "")).upper()
    if not plain:
        return ""
    if re.fullmatch(r"\d{15}", plain):
        plain = f"{plain[:6]}19{plain[6:]}"
        plain += check_digit(plain)
    if re.fullmatch(r"\d{17}[\dX]", plain):
        return plain if _resident(plain) else None
    return plain if _OTHER.fullmatch(plain) else None


def _resident(number: str) -> bool:
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    return int(number[:2]) in _PROVINCES and born.year > 1850 and check_digit(number[:17]) == number[17]


@dataclass(frozen=True)
class Person:
    """What one system says of one person, as it is compared.

    Attributes
    ----------
    system, value
        Which system, and its own id.
    name, phone
        Empty where not said.
    number
        Identity number; empty where not said or wrong.
    wrong
        Whether an identity number was given that cannot be right.
    """

    system: str
    value: str
    name: str = ""
    number: str = ""
    phone: str = ""
    wrong: bool = False

    @staticmethod
    def of(system: str, value: str, name: str | None, number: str | None, phone: str | None) -> Person:
        """Read what a system says."""
        found = number_of(number)
        return Person(system, value.strip(), name_of(name), found or "", phone_of(phone), found is None)

    @property
    def key(self) -> tuple[str, str]:
        return self.system, self.value
