"""Every tag and tier with its rule, as the table that stands in docs/tags.md."""

from __future__ import annotations

from collections.abc import Iterator

from features.tagging.tag import LAYERS, Tag
from features.tags import Tags, tags


def lines(rules: Tags | None = None) -> Iterator[str]:
    """Yield the table in Markdown, a section a layer."""
    chosen = rules or tags()
    for layer, (zh, en) in LAYERS.items():
        if layer == "tier":
            yield from _section("分层 tiers: activity (one holds)", chosen.activity, chosen)
            yield from _section("分层 tiers: value (several may hold)", chosen.value, chosen)
        else:
            yield from _section(f"{zh} {en}", tuple(tag for tag in chosen.tags if tag.layer == layer), chosen)


def _section(title: str, some: tuple[Tag, ...], chosen: Tags) -> Iterator[str]:
    yield f"### {title}"
    yield ""
    yield "| code | 名称 | name | rule | 规则 | for | marks |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for tag in some:
        cells = (f"`{tag.code}`", tag.zh, tag.en, _joined(tag, "rule_en"), _joined(tag, "rule_zh"))
        marks = [name for name in ("static", "sensitive", "weak") if getattr(tag, name)]
        yield f"| {' | '.join(cells)} | {', '.join(_purposes(tag, chosen))} | {', '.join(marks)} |"
    yield ""


def _joined(tag: Tag, name: str) -> str:
    word = "; or " if name == "rule_en" else "；或"
    return word.join(getattr(ground, name) for ground in tag.grounds).replace("|", "\\|")


def _purposes(tag: Tag, chosen: Tags) -> list[str]:
    from features.params import general

    return [purpose for purpose in general().purposes if tag.allowed(chosen.rules.names(purpose))]
