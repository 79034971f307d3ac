"""Runs the Python SDK's `ut/test.py`, each test under its own time limit, and writes a JSON line for each.

As a program: ``python python_child.py TEST_FILE RESULTS``. A process of its own, since the suite reads its
settings as it is imported, prints as it likes and leaves threads.
"""

from __future__ import annotations

import importlib.util
import json
import signal
import sys
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

#: Longest that one test may take, in seconds.
_LIMIT_S: Final = 60
#: Longest that it, or the SDK, may wait for anything.
_PAUSE_S: Final = 0.1


def main() -> None:
    file, results = (Path(argument) for argument in sys.argv[1:])
    import qcloud_cos

    _in_plain_http(qcloud_cos)
    pause = time.sleep
    # Nothing here takes time to be seen, and what is refused stays refused.
    time.sleep = lambda seconds: pause(min(float(seconds), _PAUSE_S))
    signal.signal(signal.SIGALRM, _too_long)
    spec = importlib.util.spec_from_file_location("sdk_suite", file)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(file)
    suite = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(suite)
    suite.setUp()
    with results.open("w", encoding="utf-8", buffering=1) as out:
        for name in [
            name for name in vars(suite) if name.startswith("test_") and callable(vars(suite)[name])
        ]:
            out.write(json.dumps({"name": name, "fault": _fault(vars(suite)[name])}) + "\n")


def _in_plain_http(sdk: Any) -> None:
    """Have every configuration speak plain HTTP: the local cloud does; the proxy is in the environment."""
    original = sdk.CosConfig.__init__

    def plain(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **{**kwargs, "Scheme": "http"})

    sdk.CosConfig.__init__ = plain


def _fault(test: Any) -> str:
    """Run one test; return what went wrong, or nothing."""
    signal.alarm(_LIMIT_S)
    try:
        test()
    except BaseException as error:  # noqa: BLE001 - other people's tests may end in any way
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} {str(error)[:300]} ({Path(frame.filename).name}:{frame.lineno})"
    finally:
        signal.alarm(0)
    return ""


def _too_long(_number: int, _frame: FrameType | None) -> NoReturn:
    raise TimeoutError("took too long")


if __name__ == "__main__":
    main()
