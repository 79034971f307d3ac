"""Every form that cards and vendors are known to use must come to one, and anything else to none."""

from __future__ import annotations

import calendar
from datetime import date

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cardveil.card.model import FIELDS
from cardveil.card.normalize import ETHNICITIES, normalize

KNOWN = [
    ("sex", "男", "male"),
    ("valid_period", "2010-07-21/long-term", "2010-07-21/long-term"),
    ("sex", "Male", "male"),
    ("sex", " 女 ", "female"),
    ("sex", "F", "female"),
    ("ethnicity", "汉", "汉"),
    ("ethnicity", "漢族", "汉"),
    ("ethnicity", "Han", "汉"),
    ("ethnicity", "Han nationality", "汉"),
    ("ethnicity", "維吾爾", "维吾尔"),
    ("ethnicity", "Uyghur", "维吾尔"),
    ("ethnicity", "De'ang", "德昂"),
    ("ethnicity", "Gelao", "仡佬"),
    ("birth_date", "1974年12月1日", "1974-12-01"),
    ("birth_date", "1974 年 12 月 1 日", "1974-12-01"),
    ("birth_date", "December 1, 1974", "1974-12-01"),
    ("birth_date", "Dec. 1st, 1974", "1974-12-01"),
    ("birth_date", "1 December 1974", "1974-12-01"),
    ("birth_date", "1974/12/1", "1974-12-01"),
    ("birth_date", "1974.12.01", "1974-12-01"),
    ("birth_date", "１９７４-１２-０１", "1974-12-01"),
    ("birth_date", "19741201", "1974-12-01"),
    ("first_issue_date", "2010-07-21", "2010-07-21"),
    ("valid_period", "2010.07.21-2030.07.21", "2010-07-21/2030-07-21"),
    ("valid_period", "2010-07-21至2030-07-21", "2010-07-21/2030-07-21"),
    ("valid_period", "2010-07-21 to 2030-07-21", "2010-07-21/2030-07-21"),
    ("valid_period", "2010-07-21-2030-07-21", "2010-07-21/2030-07-21"),
    ("valid_period", "2010/7/21—2030/7/21", "2010-07-21/2030-07-21"),
    ("valid_period", "20100721-20300721", "2010-07-21/2030-07-21"),
    ("valid_period", "July 21, 2010 - July 21, 2030", "2010-07-21/2030-07-21"),
    ("valid_period", "2010.07.21-长期", "2010-07-21/long-term"),
    ("valid_period", "2010.07.21长期", "2010-07-21/long-term"),
    ("valid_period", "2010-07-21 至 長期", "2010-07-21/long-term"),
    ("valid_period", "2010.07.21-long-term", "2010-07-21/long-term"),
    ("valid_period", "2010.07.212030.07.21", "2010-07-21/2030-07-21"),
    ("id_number", "99010119741201001x", "99010119741201001X"),
    ("id_number", "990101 19741201 001X", "99010119741201001X"),
    ("licence_number", "99010119741201001X", "99010119741201001X"),
    ("nationality", "中国", "CHN"),
    ("nationality", "P.R. China", "CHN"),
    ("vehicle_class", "c1", "C1"),
    ("vehicle_class", "A1、A2 D", "A1A2D"),
    ("name", "张 三", "张三"),
    ("name", "阿依古丽•买买提", "阿依古丽·买买提"),
    ("name", "Li  Ming", "Li Ming"),
    ("address", "样例省 虚构市\n无名路1号", "样例省虚构市无名路1号"),
    ("authority", "虚构市公安局", "虚构市公安局"),
]


@pytest.mark.parametrize(("field", "text", "expected"), KNOWN)
def test_known_forms(field: str, text: str, expected: str) -> None:
    assert normalize(field, text) == expected


UNKNOWN = [
    ("sex", "暂无"),
    ("ethnicity", "火星"),
    ("ethnicity", ""),
    ("birth_date", "1974年13月1日"),
    ("birth_date", "1974-02-30"),
    ("birth_date", "74-02-20"),
    ("birth_date", "昨天"),
    ("valid_period", "2030.07.21-2010.07.21"),
    ("valid_period", "2010.07.21"),
    ("valid_period", "长期"),
    ("valid_period", "2010.07.21-六年"),
    ("id_number", "9901011974120100"),
    ("id_number", "X9010119741201001X"),
    ("id_number", "٩٩٠١٠١١٩٧٤١٢٠١٠٠١١"),
    ("nationality", "月球"),
    ("vehicle_class", "Z9"),
    ("vehicle_class", "C"),
    ("name", "  "),
    ("portrait", "anything"),
    ("no_such_field", "anything"),
]


@pytest.mark.parametrize(("field", "text"), UNKNOWN)
def test_what_has_no_normal_form_gives_none(field: str, text: str) -> None:
    assert normalize(field, text) is None


def test_there_are_56_ethnicities_and_no_romanised_form_is_used_twice() -> None:
    forms = [form.lower() for names in ETHNICITIES.values() for form in names]
    assert len(ETHNICITIES) == 56
    assert len(forms) == len(set(forms))


@pytest.mark.parametrize("name", ETHNICITIES)
def test_every_ethnicity_is_known_by_each_of_its_names(name: str) -> None:
    for form in (name, f"{name}族", *ETHNICITIES[name], *(form.upper() for form in ETHNICITIES[name])):
        assert normalize("ethnicity", form) == name


@settings(deadline=None)
@given(st.dates(min_value=date(1000, 1, 1)))
def test_any_date_survives_every_style(day: date) -> None:
    iso = day.isoformat()
    month = calendar.month_name
    for text in (
        iso,
        f"{day.year}年{day.month}月{day.day}日",
        iso.replace("-", "."),
        f"{month[day.month]} {day.day}, {day.year}",
        iso.replace("-", ""),
    ):
        assert normalize("birth_date", text) == iso


@settings(deadline=None)
@given(st.sampled_from(sorted({name for names in FIELDS.values() for name in names})), st.text())
# A spacing accent folds to a space and an accent, which joins the letter before it.
@example("address", "O\xa8")
@example("authority", "U\xa8")
@example("name", "O\xaf")
def test_any_text_is_taken_without_an_error_and_its_form_is_stable(field: str, text: str) -> None:
    once = normalize(field, text)
    if once is not None:
        assert normalize(field, once) == once


@settings(deadline=None)
@given(st.dates(min_value=date(1000, 1, 1)), st.dates(min_value=date(1000, 1, 1)))
def test_any_period_survives_every_style(one: date, other: date) -> None:
    start, end = sorted((one, other))
    for between in ("-", "至", " to ", "~"):
        text = between.join(day.isoformat().replace("-", ".") for day in (start, end))
        once = normalize("valid_period", text)
        assert once == f"{start.isoformat()}/{end.isoformat()}"
        assert normalize("valid_period", once) == once
