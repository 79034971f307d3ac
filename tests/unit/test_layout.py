"""The layouts must be complete and consistent, since drawing, finding and covering all trust them."""

from __future__ import annotations

import pytest

from cardveil.card.layout import Box, CardLayout, all_layouts, layout_of
from cardveil.card.model import FIELDS, PORTRAIT, CardType, Side


@pytest.fixture(params=sorted(FIELDS), ids=lambda key: f"{key[0].value}-{key[1].value}")
def layout(request: pytest.FixtureRequest) -> CardLayout:
    return layout_of(*request.param)


def test_every_known_side_has_a_layout_and_no_other() -> None:
    assert {(layout.type, layout.side) for layout in all_layouts()} == set(FIELDS)
    with pytest.raises(KeyError):
        layout_of(CardType.DRIVER_LICENSE, Side.BACK)


def test_every_field_has_a_zone(layout: CardLayout) -> None:
    expected = set(FIELDS[layout.type, layout.side])
    assert set(layout.fields) == expected - {PORTRAIT}
    assert (layout.portrait is not None) == (PORTRAIT in expected)


def test_everything_lies_on_the_card(layout: CardLayout) -> None:
    for box in [*layout.fields.values(), *layout.labels.values()]:
        assert all(layout.outline.contains(x, y) for x, y in box.corners())
    if layout.portrait is not None:
        assert all(layout.outline.contains(x, y) for x, y in layout.portrait.grown(1.5).corners())


def _apart(one: Box, other: Box) -> bool:
    return one.right <= other.x or other.right <= one.x or one.bottom <= other.y or other.bottom <= one.y


def test_zones_of_different_fields_do_not_overlap(layout: CardLayout) -> None:
    zones = list(layout.fields.items())
    if layout.portrait is not None:
        zones.append((PORTRAIT, layout.portrait))
    for index, (name, zone) in enumerate(zones):
        for other_name, other in zones[index + 1 :]:
            assert _apart(zone, other), f"{name} overlaps {other_name}"


def test_labels_stand_outside_the_zones_of_other_fields(layout: CardLayout) -> None:
    for text, label in layout.labels.items():
        for name, zone in layout.fields.items():
            if layout.label_fields.get(text) != name:
                assert _apart(label, zone), f"{text} overlaps {name}"


def test_a_label_names_a_field_of_its_card(layout: CardLayout) -> None:
    assert set(layout.label_fields) <= set(layout.labels)
    assert set(layout.label_fields.values()) <= set(layout.fields)


def test_a_box_grows_on_every_side() -> None:
    assert Box(1, 2, 3, 4).grown(1) == Box(0, 1, 5, 6)
    assert Box(1, 2, 3, 4).centre == (2.5, 4)
