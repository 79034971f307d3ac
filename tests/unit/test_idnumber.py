"""GB 11643: what a number says, what makes it wrong, and what may be put right."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardveil.card.id_number import PROVINCES, check_digit, inspect, is_valid, repair

# Region 990101 is not assigned.
VALID = "990101199003071237"


def test_check_digit_of_the_vendors_sample() -> None:
    assert check_digit("44052419870101001") == "4"


def test_check_digit_can_be_x() -> None:
    assert any(check_digit(f"9901011990030{n:04d}") == "X" for n in range(30))


@pytest.mark.parametrize("wrong", ["", "1234", "4405241987010100A", "４４０５２４１９８７０１０１００１"])
def test_check_digit_wants_seventeen_digits(wrong: str) -> None:
    with pytest.raises(ValueError, match="seventeen"):
        check_digit(wrong)


def test_inspect_tells_region_birth_and_sex() -> None:
    told = inspect(VALID)
    assert (told.region, told.birth_date, told.sex, told.valid) == ("990101", "1990-03-07", "male", True)
    assert {check.name: check.passed for check in told.checks} == {
        "id_number_region": False,
        "id_number_date": True,
        "id_number_check_digit": True,
    }


def test_even_sequence_is_female() -> None:
    number = "99010119900307124"
    assert inspect(number + check_digit(number)).sex == "female"


@pytest.mark.parametrize(
    "date", ["19900230", "19901301", "19900000", "18791231", "29990101"], ids=lambda d: d
)
def test_impossible_dates_fail_the_date_check(date: str) -> None:
    first = f"990101{date}123"
    told = inspect(first + check_digit(first))
    assert told.birth_date is None
    assert not told.valid


def test_error_text_does_not_repeat_the_number() -> None:
    with pytest.raises(ValueError, match="17 digits") as caught:
        inspect("99010119900307")
    assert "9901" not in str(caught.value)


@settings(deadline=None)
@given(st.integers(0, 16), st.integers(1, 9))
def test_every_single_wrong_digit_is_noticed(position: int, shift: int) -> None:
    digit = str((int(VALID[position]) + shift) % 10)
    assert not is_valid(VALID[:position] + digit + VALID[position + 1 :])


def test_letters_that_stand_for_digits_are_put_right() -> None:
    assert repair("99O1O1199OO3O71237") == VALID
    assert repair("990101 19900307 1237") == VALID


def test_a_single_digit_that_is_often_mistaken_is_put_right() -> None:
    assert repair("990101199003071231") == VALID  # its last digit was a 7


def test_a_repair_must_be_the_only_one() -> None:
    """Two numbers are one likely misreading away from this text: neither may be made of it."""
    read, one, other = "996101199003070007", "990101199003070007", "996101199003070002"
    for number in (one, other):
        assert is_valid(number)
        assert sum(a != b for a, b in zip(read, number, strict=True)) == 1
    assert repair(read) is None


@pytest.mark.parametrize("hopeless", ["", "ABC", "99010119900307123", "ABCDEFGHJKLMNPQRST"])
def test_what_has_no_repair(hopeless: str) -> None:
    assert repair(hopeless) is None


def test_there_are_31_provinces_and_4_more_codes() -> None:
    assert len(PROVINCES) == 35
