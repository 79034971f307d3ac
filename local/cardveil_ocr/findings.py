"""The text codes by which the recogniser says why a card is not to be trusted blindly."""

from __future__ import annotations

from typing import Final

#: A field's score is below `values.LOW`.
LOW_SCORE: Final = "low_score"
#: The number's check digit is wrong, or it is no 18 characters.
CHECK_DIGIT_FAILED: Final = "check_digit_failed"
#: The number was made valid by replacing one misread character; the field's text is the repaired number.
NUMBER_REPAIRED: Final = "number_repaired"
#: The printed birth date is not the one in the number.
BIRTH_DATE_DISAGREES: Final = "birth_date_disagrees"
#: The printed sex is not the one in the number.
SEX_DISAGREES: Final = "sex_disagrees"
#: Nothing could be read where a field should stand; its place is covered all the same.
FIELD_MISSING: Final = "field_missing"
#: What was read of a licence's seal is no authority's name: it counts as not read, and its place is known.
SEAL_UNREAD: Final = "seal_unread"
#: A field was read, but what was read has no normal form.
VALUE_UNREADABLE: Final = "value_unreadable"
#: A valid period ends before it begins, or the first issue lies before the birth.
DATES_DISAGREE: Final = "dates_disagree"
#: Part of the card's fields or portrait lies outside the picture.
PARTLY_OUTSIDE: Final = "partly_outside"
#: Light hides part of a field.
GLARE: Final = "glare_over_field"
#: Few labels, or labels that miss their places: the card's place, and so what is covered, is uncertain.
PLACE_UNCERTAIN: Final = "place_uncertain"

ALL: Final = (
    LOW_SCORE, CHECK_DIGIT_FAILED, NUMBER_REPAIRED, BIRTH_DATE_DISAGREES, SEX_DISAGREES, FIELD_MISSING,
    SEAL_UNREAD, VALUE_UNREADABLE, DATES_DISAGREE, PARTLY_OUTSIDE, GLARE, PLACE_UNCERTAIN,
)  # fmt: skip
