"""Serves the embedded recogniser to the function that began this process: pictures in, plain JSON out.

Begun by `cardveil.recognition.engine_process`. Its one argument is JSON: the module path, and how many
threads there are. A question is two lengths (big-endian, four bytes each), the question in JSON, and the
encoded picture; an answer is a length and JSON: first ``{"ready": true}``, once the models are loaded.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO


def main() -> int:
    """Answer until nothing more is asked."""
    told = json.loads(sys.argv[1])
    sys.path[:] = told["path"]
    with suppress(OSError):
        # Where memory runs out the system ends this process, not the function.
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    # What a library prints goes nowhere: standard output is for answers.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    from cardveil_ocr.adapter import EmbeddedRecogniser
    from cardveil_ocr.recognizer import Recogniser

    engine = Recogniser(threads=told["threads"])
    engine.load()
    recogniser = EmbeddedRecogniser(lambda: engine)
    _send(out, {"ready": True})
    while (question := _question(sys.stdin.buffer)) is not None:
        asked, picture = question
        try:
            answer = _answer(recogniser, asked, picture)
        except MemoryError:
            return 1
        except Exception:  # noqa: BLE001 - whatever a picture does to the recogniser is that picture's
            answer = {"failed": True}
        _send(out, answer)
    return 0


def _answer(recogniser: Any, asked: dict[str, Any], picture: bytes) -> dict[str, Any]:
    from cardveil.recognition.interfaces import Image
    from cardveil.recognition.plain import recognition_document
    from cardveil_ocr.adapter import hint_of_names

    image = Image(picture, 0, 0)
    if asked["do"] == "texts":
        return {"texts": list(recogniser.texts(image))}
    return recognition_document(recogniser.recognise(image, hint_of_names(asked["card_type"], None)))


def _question(source: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """Read one question with its picture; None at the end."""
    head = source.read(8)
    if len(head) < 8:
        return None
    asked, picture = struct.unpack(">II", head)
    question = source.read(asked)
    data = source.read(picture)
    return (json.loads(question), data) if len(data) == picture else None


def _send(out: BinaryIO, answer: dict[str, Any]) -> None:
    data = json.dumps(answer).encode()
    out.write(struct.pack(">I", len(data)) + data)
    out.flush()


if __name__ == "__main__":
    sys.exit(main())
