"""BG/NBD: purchases, or visits, of people who drop out unseen (Fader, Hardie and Lee, Marketing Science 2005, 24:275).

While active somebody comes at a Poisson rate drawn from a gamma(r, alpha) distribution; after every
visit the person drops out with a probability drawn from a beta(a, b).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.errors import InputError


@dataclass(frozen=True)
class BgNbd:
    """A fitted BG/NBD. Time is in the unit that it was fitted in."""

    r: float
    alpha: float
    a: float
    b: float

    def active(self, x: np.ndarray, recency: np.ndarray, age: np.ndarray) -> np.ndarray:
        """Return the (n,) probability that somebody has not dropped out (their eq. in Fader, Hardie 2008 note).

        Parameters
        ----------
        x
            (n,) repeat visits: those after the first.
        recency
            (n,) time from the first visit to the last.
        age
            (n,) time from the first visit to now.
        """
        dropped = np.log(self.a) - np.log(self.b + np.maximum(x, 1) - 1)
        dropped += (self.r + x) * (np.log(self.alpha + age) - np.log(self.alpha + recency))
        return np.where(x > 0, 1 / (1 + np.exp(dropped)), 1.0)

    def returns(self, x: np.ndarray, recency: np.ndarray, age: np.ndarray, ahead: float) -> np.ndarray:
        """Return the (n,) probability of at least one more visit within ``ahead``.

        Given active, the rate is gamma(r + x, alpha + age); so P = P(active) (1 - ((alpha + age) /
        (alpha + age + ahead)) ^ (r + x)).
        """
        silent = ((self.alpha + age) / (self.alpha + age + ahead)) ** (self.r + x)
        return self.active(x, recency, age) * (1 - silent)


def fit(x: np.ndarray, recency: np.ndarray, age: np.ndarray) -> BgNbd:
    """Fit by maximum likelihood (their eq. 6).

    Parameters
    ----------
    x, recency, age
        (n,) as in :meth:`BgNbd.active`.

    Raises
    ------
    InputError
        Nobody, a recency past the age, or a likelihood without a maximum.
    """
    from scipy.optimize import minimize

    if not len(x):
        raise InputError("there is nobody to fit", where="BG/NBD")
    if (recency > age).any() or (x < 0).any() or (recency < 0).any():
        raise InputError("a last visit lies after now, or a count is negative", where="BG/NBD")
    rows, count = np.unique(np.stack([x, recency, age]), axis=1, return_counts=True)
    scale = max(float(rows[2].mean()), 1e-9)  # so that the search starts near the data, whatever the unit
    given = (rows[0], rows[1] / scale, rows[2] / scale)

    def loss(logs: np.ndarray) -> float:
        return -float((count * _log_likelihood(np.exp(logs), *given)).sum()) / float(count.sum())

    best = min(
        (minimize(loss, start, method="L-BFGS-B", bounds=[(-8, 8)] * 4) for start in (np.zeros(4), np.full(4, -1.0))),
        key=lambda each: each.fun,
    )
    best = minimize(loss, best.x, method="Nelder-Mead", options={"maxiter": 4000, "xatol": 1e-8, "fatol": 1e-12})
    if not np.isfinite(best.fun):
        raise InputError("the likelihood has no maximum", where="BG/NBD", remedy="give people with repeat visits")
    r, alpha, a, b = np.exp(best.x)
    return BgNbd(float(r), float(alpha * scale), float(a), float(b))


def _log_likelihood(values: np.ndarray, x: np.ndarray, recency: np.ndarray, age: np.ndarray) -> np.ndarray:
    from scipy.special import betaln, gammaln

    r, alpha, a, b = values
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha) - betaln(a, b)
    stays = betaln(a, b + x) - (r + x) * np.log(alpha + age)
    some = x > 0
    once = np.where(some, x, 1)
    leaves = np.where(some, betaln(a + 1, b + once - 1) - (r + x) * np.log(alpha + recency), -np.inf)
    return np.asarray(common + np.logaddexp(stays, leaves))
