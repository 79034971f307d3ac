"""ID cards on the template of `idcardgenerator` (PyPI), which nobody here drew: for measuring, never kept.

The package's own program needs a screen, so that its numbers are repeated here: the type, its size and where
each value begins. It is fetched by hand: ``pip download --no-deps idcardgenerator``, and
``unzip``.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tests.support.samples import effects
from tests.support.samples.card_drawing import DrawnCard
from tests.support.samples.mixed import ID_BACK, ID_FRONT, CardKind, MixedPicture, Table
from tests.support.samples.people import Person, invent
from tests.support.samples.portrait import draw_portrait
from tests.support.samples.values import values_of

from cardveil.card.layout import layout_of
from cardveil.card.model import FIELDS, PORTRAIT

#: Where the two cards lie on the template's page, in its pixels.
_PLACES: Final = {ID_FRONT: (288, 492, 2168, 1672), ID_BACK: (286, 1908, 2166, 3090)}
#: Face, height and place of each value on the page (`gui.py` of the package).
_HEI, _DATES, _DIGITS = "hei.ttf", "fzhei.ttf", "ocrb10bt.ttf"
_AVATAR: Final = (1500, 690, 500, 670)
_LINE, _PITCH = 11, 100


def template_card(folder: Path, kind: CardKind, person: Person, random: Random) -> DrawnCard:
    """Draw a card on the template.

    Parameters
    ----------
    folder
        Where the package was unpacked.
    """
    resources = folder / "idcardgenerator" / "usedres"
    with Image.open(resources / "empty.png") as opened:
        page = opened.convert("RGBA")
    sheet = Image.new("RGB", page.size, (250, 250, 250))
    sheet.paste(page, (0, 0), page)
    ink, letters = Image.new("L", page.size, 0), Image.new("L", page.size, 0)
    names = FIELDS[kind]
    if PORTRAIT in names:
        x, y, width, height = _AVATAR
        face = draw_portrait(random, width, height, background=(236, 241, 247))
        sheet.paste(face, (x, y))
        ink.paste(names.index(PORTRAIT) + 1, (x, y, x + width, y + height))
    written: dict[str, int] = {}
    for name, (x, y), text, face_name, size in _items(kind, person):
        font = ImageFont.truetype(str(resources / face_name), size)
        for index, character in enumerate(text):
            layer = Image.new("L", page.size, 0)
            start = x + font.getlength(text[:index])
            ImageDraw.Draw(layer).text((start, y), character, font=font, fill=255)
            sheet.paste((0, 0, 0), (0, 0), layer)
            inked = layer.point(lambda v: 255 if v > 24 else 0)
            written[name] = written.get(name, 0) + 1
            ink.paste(names.index(name) + 1, (0, 0), inked)
            letters.paste(written[name], (0, 0), inked)
    cut = _PLACES[kind]
    layout = layout_of(*kind)
    parts = (np.asarray(image.crop(cut)) for image in (sheet, ink, letters))
    picture, own_ink, own_letters = parts
    return DrawnCard(layout, picture, own_ink, picture.shape[1] / layout.width, own_letters)


def _items(kind: CardKind, person: Person) -> list[tuple[str, tuple[int, int], str, str, int]]:
    values = values_of(person, *kind)
    if kind == ID_BACK:
        return [
            ("authority", (1050, 2750), values["authority"][0], _HEI, 60),
            ("valid_period", (1050, 2895), values["valid_period"][0], _HEI, 60),
        ]
    born, address = person.born, person.address
    lines = [address[i : i + _LINE] for i in range(0, len(address), _LINE)]
    return [
        ("name", (630, 690), person.name, _HEI, 72),
        ("sex", (630, 840), person.sex, _HEI, 60),
        ("ethnicity", (1030, 840), person.ethnicity, _HEI, 60),
        ("birth_date", (630, 980), str(born.year), _DATES, 60),
        ("birth_date", (950, 980), str(born.month), _DATES, 60),
        ("birth_date", (1150, 980), str(born.day), _DATES, 60),
        *(("address", (630, 1120 + i * _PITCH), line, _HEI, 60) for i, line in enumerate(lines)),
        ("id_number", (950, 1475), person.number, _DIGITS, 72),
    ]


def make_template(folder: Path, seed: int) -> MixedPicture:
    """Photograph a card on the template; the same arguments always give the same picture."""
    random = Random(f"template/{seed}")
    width, height = random.choice(((1280, 960), (1600, 1200), (1000, 700)))
    table = Table(random, width, height, "tuning")
    kind, person = random.choice((ID_FRONT, ID_FRONT, ID_BACK)), invent(random)
    layout = layout_of(*kind)
    corners = table.place(
        (0.03, 0.03, 0.94, 0.94), (layout.width, layout.height), share=random.uniform(0.4, 0.8), turn=10
    )
    table.lay(template_card(folder, kind, person, random), corners, person)
    picture = effects.unevenly_lit(table.picture, random)
    quality = random.choice((0, *range(80, 96, 3)))
    return MixedPicture(
        f"template-{seed:04}", "template", picture, table.ink, table.letters, table.cards, quality
    )
