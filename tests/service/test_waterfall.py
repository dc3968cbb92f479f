"""The drawing: bars add up, the tail is summed, and markup in a label is inert."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

from serving.review.waterfall import bars, signed, waterfall
from serving.review.words import words

WORDS = {**{name: words("en")[name] for name in ("base", "margin", "axis")}, "title": "T", "description": "D"}


def test_bars_run_from_base_to_margin_in_order_of_size() -> None:
    laid = bars(-2.0, [("a", 0.1), ("b", -0.7), ("c", 0.3)], "{n} others")
    assert [bar.label for bar in laid] == ["b", "c", "a"]
    assert laid[0].begins == -2.0
    assert math.isclose(laid[-1].ends, -2.3)


def test_the_tail_becomes_one_bar() -> None:
    pairs = [(f"g{number}", 1.0 / (number + 1)) for number in range(14)]
    laid = bars(0.0, pairs, "{n} others", most=5)
    assert [bar.label for bar in laid] == ["g0", "g1", "g2", "g3", "10 others"]
    assert math.isclose(laid[-1].ends, math.fsum(value for _, value in pairs))


def test_the_drawing_is_well_formed_and_inert() -> None:
    steps = bars(-1.0, [("<script>alert(1)</script>", 0.5), ('"&', -0.2)], "{n}")
    drawn = ET.fromstring(str(waterfall(-1.0, steps, -0.7, WORDS)))
    assert not [element for element in drawn.iter() if element.tag.endswith("script")]
    texts = [element.text for element in drawn.iter() if element.tag.endswith("text")]
    assert "<script>alert(1)</script>" in texts
    assert not [name for element in drawn.iter() for name in element.attrib if name in ("style", "onload")]


def test_a_flat_score_can_be_drawn() -> None:
    ET.fromstring(str(waterfall(0.3, bars(0.3, [("a", 0.0)], "{n}"), 0.3, WORDS)))


def test_numbers_are_read_with_their_sign() -> None:
    assert [signed(value) for value in (0.12345, -0.5, -0.0001, 0.0)] == ["+0.123", "\u22120.500", "0.000", "0.000"]
