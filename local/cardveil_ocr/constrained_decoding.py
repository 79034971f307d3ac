"""Reading with a closed vocabulary: what may stand in a field decides what a blurred character can be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from cardveil.card.ethnicity import ETHNICITIES
from cardveil_ocr.engine import Strip

#: Which characters a field may hold; the others are free.
ALPHABETS: Final = {
    "id_number": "0123456789X",
    "licence_number": "0123456789X",
    "birth_date": "0123456789年月日-",
    "first_issue_date": "0123456789-",
    "valid_period": "0123456789-.至长期",
    "vehicle_class": "ABCDEFMNP123456",
    "sex": "男女",
    "nationality": "中国",
    "ethnicity": "".join(sorted({character for name in ETHNICITIES for character in name})),
}
#: All characters that an `Engine` must watch for these.
WATCHED: Final = "".join(sorted(set("".join(ALPHABETS.values()))))
_CLASS: Final = {character: i + 1 for i, character in enumerate(WATCHED)}
#: A character is taken only where it has at least this probability.
_LEAST: Final = 0.02


@dataclass(frozen=True, slots=True)
class Spelled:
    """Characters chosen from an alphabet, with their probabilities and the steps they stand at."""

    text: str
    ps: tuple[float, ...]
    steps: tuple[int, ...]


def spell(strip: Strip, first: int, last: int, alphabet: str) -> Spelled:
    """Decode steps `first` to `last` (both included) with the characters of `alphabet` only."""
    classes = [0, *(_CLASS[character] for character in alphabet)]
    p = strip.some[max(0, first) : last + 1, :][:, classes]
    text = ""
    ps: list[float] = []
    steps: list[int] = []
    previous = 0
    for step, row in enumerate(p):
        best = int(row.argmax())
        if best and row[best] < _LEAST:
            best = 0
        if best and best == previous:
            if row[best] > ps[-1]:
                ps[-1], steps[-1] = float(row[best]), max(0, first) + step
        elif best:
            text += alphabet[best - 1]
            ps.append(float(row[best]))
            steps.append(max(0, first) + step)
        previous = best
    return Spelled(text, tuple(ps), tuple(steps))


def alternatives(strip: Strip, step: int, alphabet: str) -> list[tuple[float, str]]:
    """Return the characters of `alphabet` at a step with their probabilities, the likeliest first."""
    # A step's neighbours share the character, and one of them may see it better.
    rows = strip.some[max(0, step - 1) : step + 2]
    return sorted(((float(rows[:, _CLASS[c]].max()), c) for c in alphabet), reverse=True)


def likeliest(strip: Strip, first: int, last: int, words: Iterable[str]) -> tuple[str, float]:
    """Return the word of a closed list that the steps most likely spell, and its share of the likelihood."""
    p = strip.some[max(0, first) : last + 1]
    # What is none of the watched characters counts as nothing: another script's form does not kill a word.
    rest = np.clip(1.0 - p.sum(axis=1), 0.0, 1.0)
    blank = np.log(np.maximum(p[:, 0] + 0.5 * rest, 1e-9))
    logs = np.log(np.maximum(p, 1e-9))
    scores = {word: _forward(blank, logs, [_CLASS[c] for c in word]) for word in words}
    best = max(scores, key=lambda word: scores[word])
    total = np.logaddexp.reduce(list(scores.values()))
    # Too few steps for any of the words: none of them was read.
    return best, float(np.exp(scores[best] - total)) if np.isfinite(total) else 0.0


def _forward(blank: np.ndarray, logs: np.ndarray, classes: list[int]) -> float:
    """Return the log probability of a sequence of classes (CTC forward algorithm)."""
    states = 2 * len(classes) + 1
    alpha = np.full(states, -np.inf)
    alpha[0] = blank[0] if len(blank) else 0.0
    if len(blank):
        alpha[1] = logs[0, classes[0]]
    for t in range(1, len(blank)):
        previous = alpha
        alpha = np.full(states, -np.inf)
        for s in range(states):
            stay = np.logaddexp(previous[s], previous[s - 1] if s else -np.inf)
            if s % 2 and s > 1 and classes[s // 2] != classes[s // 2 - 1]:
                stay = np.logaddexp(stay, previous[s - 2])
            alpha[s] = stay + (logs[t, classes[s // 2]] if s % 2 else blank[t])
    return float(np.logaddexp(alpha[-1], alpha[-2]))
