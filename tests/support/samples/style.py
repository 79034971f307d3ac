"""How one card is printed, apart from what stands where: sizes, pitches and inks, as presses differ."""

from __future__ import annotations

from dataclasses import dataclass

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Style:
    """Lengths are in millimetres; the defaults print as all samples did before there were styles.

    Attributes
    ----------
    labels
        Colour of the labels; the card's usual one if None.
    ink
        Colour of the values.
    label_size, value_size
        Factors of the usual heights.
    indent
        From where a value's zone begins to where its text does.
    number_start, number_pitch, digit_height
        Of an ID card's number: from its zone's left edge to the first digit, from digit to digit.
    line_pitch, address_width
        Of an ID card's address.
    licence_pitch
        From line to line of a licence's address.
    seal_columns, seal_upright
        Of a licence's seal: how many columns (by the text's length if 0), and whether it is read down them.
    specimen
        Where the mark of a sample begins; its usual place if None.
    """

    labels: Colour | None = None
    ink: Colour = (32, 30, 34)
    label_size: float = 1.0
    value_size: float = 1.0
    indent: float = 0.7
    number_start: float = 1.6
    number_pitch: float = 2.78
    digit_height: float = 3.9
    line_pitch: float = 4.6
    address_width: float = 35.5
    licence_pitch: float = 3.9
    seal_columns: int = 0
    seal_upright: bool = False
    specimen: tuple[float, float] | None = None
