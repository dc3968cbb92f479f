"""The plots of a report, as SVG text that stands inside a page and asks for nothing outside it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from training.gates import parts_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMALL = 10
"""User-days below which a part is not shown."""
INK, BAND, SOFT = "#1c4e80", "#a9c4de", "#7a8896"


def plots(trust: Mapping[str, Any]) -> dict[str, str]:
    """Return the curves of calibration, net benefit and learning, and what lists gain, as SVG by name.

    Those that the assessment holds nothing for are left out.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    drawn = (
        ("methods", "ranking", _methods),
        ("parts", "ranking", _parts),
        ("calibration", "calibration_curve", _calibration),
        ("net_benefit", "decision_curve", _decision),
        ("learning", "learning_curve", _learning),
    )
    found = {}
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "carepath", "font.size": 9}):
        for name, section, draw in drawn:
            if not trust.get(section):
                continue
            figure = Figure(figsize=(4.8, 3.6), layout="constrained")
            axes = figure.add_subplot()
            draw(axes, trust[section])
            axes.spines[["top", "right"]].set_visible(False)
            out = io.StringIO()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # a page's own fonts draw the text
                figure.savefig(out, format="svg", metadata={"Date": None})
            found[name] = out.getvalue()[out.getvalue().index("<svg") :]
    return found


def _methods(axes: Axes, ranking: Mapping[str, Any]) -> None:
    overall = ranking["overall"]
    worth = {**overall["ndcg10_baselines"], "ours": overall["ndcg10"]["value"]}
    names = sorted(worth, key=lambda name: worth[name])
    axes.barh(names, [worth[name] for name in names], color=[INK if name == "ours" else BAND for name in names])
    ours = overall["ndcg10"]
    axes.hlines("ours", ours["lo"], ours["hi"], color=SOFT, lw=2)
    axes.tick_params(axis="y", labelsize=7, length=0)
    axes.set(title="各法比较 methods", xlabel="NDCG@10")


def _parts(axes: Axes, ranking: Mapping[str, Any]) -> None:
    told = {
        name: part["ndcg10_gain"] for name, part in reversed(parts_of(ranking).items()) if part["user_days"] >= SMALL
    }
    names = list(told)
    axes.axvline(0, color=SOFT, lw=1, ls="--")
    axes.hlines(names, [each["lo"] for each in told.values()], [each["hi"] for each in told.values()], color=BAND, lw=4)
    axes.plot([each["value"] for each in told.values()], names, "o", color=INK, ms=4)
    axes.tick_params(axis="y", labelsize=7, length=0)
    axes.set(title="对参照的增益 gain over the reference", xlabel="NDCG@10")


def _calibration(axes: Axes, points: list[dict[str, float]]) -> None:
    x = [each["predicted"] for each in points]
    axes.plot([0, max(x)], [0, max(x)], color=SOFT, lw=1, ls="--")
    axes.fill_between(x, [each["lo"] for each in points], [each["hi"] for each in points], color=BAND, lw=0)
    axes.plot(x, [each["observed"] for each in points], color=INK, lw=1.6)
    axes.set(
        title="校准曲线 calibration", xlabel="predicted risk", ylabel="observed risk", xlim=(0, None), ylim=(0, None)
    )


def _decision(axes: Axes, curve: list[dict[str, Any]]) -> None:
    x = [each["threshold"] for each in curve]
    model = [each["model"]["value"] for each in curve]
    axes.fill_between(
        x, [each["model"]["lo"] for each in curve], [each["model"]["hi"] for each in curve], color=BAND, lw=0
    )
    axes.plot(x, model, color=INK, lw=1.6, label="model")
    axes.plot(x, [each["treat_all"]["value"] for each in curve], color=SOFT, lw=1, label="treat all")
    axes.axhline(0, color=SOFT, lw=1, ls="--", label="treat none")
    low = -0.25 * max(*model, 1e-3)
    axes.set(title="决策曲线 net benefit", xlabel="threshold probability", ylabel="net benefit", ylim=(low, None))
    axes.legend(frameon=False)


def _learning(axes: Axes, curve: list[dict[str, Any]]) -> None:
    x = [each["patients"] for each in curve]
    value, lo, hi = zip(*(each["auroc"] for each in curve))
    axes.fill_between(x, lo, hi, color=BAND, lw=0)
    axes.plot(x, value, color=INK, lw=1.6, marker="o", ms=3)
    axes.set(title="学习曲线 learning curve", xlabel="patients trained on", ylabel="AUROC (test)", xlim=(0, None))
