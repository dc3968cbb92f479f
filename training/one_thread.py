"""One thread: what is fitted is the same to the bit, however many threads linear algebra was given.

With more threads OpenBLAS adds up in another order, and a coefficient differs in its last digits.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from threadpoolctl import threadpool_limits

Given = ParamSpec("Given")
Made = TypeVar("Made")


def one_thread(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """Return a function that does its linear algebra in one thread."""

    @functools.wraps(function)
    def alone(*given: Given.args, **named: Given.kwargs) -> Made:
        with threadpool_limits(limits=1, user_api="blas"):
            return function(*given, **named)

    return alone
