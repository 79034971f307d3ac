"""A drawn face for the place of the photograph; no picture of a person is used anywhere."""

from __future__ import annotations

from random import Random

from PIL import Image, ImageDraw, ImageFilter


def draw_portrait(
    random: Random, width: int, height: int, *, background: tuple[int, int, int]
) -> Image.Image:
    """Draw head and shoulders, ``width`` × ``height`` pixels RGB, on a plain background."""
    scale = 2
    w, h = width * scale, height * scale
    image = Image.new("RGB", (w, h), background)
    draw = ImageDraw.Draw(image)
    skin = random.choice([(224, 188, 160), (210, 170, 140), (236, 204, 180), (198, 156, 124)])
    hair = random.choice([(28, 26, 28), (52, 42, 38), (90, 88, 90)])
    clothes = random.choice([(40, 48, 80), (120, 40, 48), (60, 90, 70), (90, 90, 96), (28, 28, 32)])
    shade = (int(skin[0] * 0.86), int(skin[1] * 0.84), int(skin[2] * 0.82))
    middle, face_w, face_h = w * (0.5 + random.uniform(-0.02, 0.02)), w * random.uniform(0.19, 0.23), h * 0.24
    eyes_y, chin_y = h * 0.40, h * 0.42 + face_h
    long_hair = random.random() < 0.45

    def ellipse(x: float, y: float, rx: float, ry: float, fill: tuple[int, int, int]) -> None:
        draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=fill)

    if long_hair:
        draw.rounded_rectangle(
            (middle - face_w * 1.3, h * 0.2, middle + face_w * 1.3, h * 0.8), w * 0.1, fill=hair
        )
    draw.rounded_rectangle((w * 0.08, h * 0.77, w * 0.92, h * 1.3), w * 0.22, fill=clothes)
    draw.rectangle((middle - face_w * 0.5, chin_y - h * 0.08, middle + face_w * 0.5, h * 0.82), fill=shade)
    draw.polygon(
        [(middle - face_w * 0.7, h * 0.77), (middle, h * 0.9), (middle + face_w * 0.7, h * 0.77)],
        fill=(236, 236, 240),
    )
    ellipse(middle, h * 0.33, face_w * 1.16, face_h * 0.98, hair)
    ellipse(middle, h * 0.42, face_w, face_h, skin)
    for sign in (-1, 1):
        ellipse(middle + sign * face_w, h * 0.43, face_w * 0.14, face_h * 0.2, shade)
        x = middle + sign * face_w * 0.42
        ellipse(x, eyes_y, face_w * 0.2, face_h * 0.09, (248, 246, 242))
        ellipse(x, eyes_y, face_w * 0.09, face_h * 0.09, (30, 24, 22))
        brow = eyes_y - face_h * 0.22
        draw.line(
            (x - face_w * 0.24, brow, x + face_w * 0.24, brow - h * 0.004), fill=hair, width=max(2, h // 110)
        )
    draw.pieslice(
        (middle - face_w, h * 0.42 - face_h, middle + face_w, h * 0.42 + face_h * 0.2), 200, 340, fill=hair
    )
    draw.line((middle, eyes_y, middle - face_w * 0.12, h * 0.50), fill=shade, width=max(2, h // 120))
    draw.line(
        (middle - face_w * 0.12, h * 0.50, middle + face_w * 0.1, h * 0.505),
        fill=shade,
        width=max(2, h // 120),
    )
    draw.arc(
        (middle - face_w * 0.38, h * 0.53, middle + face_w * 0.38, h * 0.575), 10, 170,
        fill=(168, 84, 80), width=max(3, h // 80),
    )  # fmt: skip
    return image.filter(ImageFilter.GaussianBlur(scale * 0.8)).resize(
        (width, height), Image.Resampling.LANCZOS
    )
