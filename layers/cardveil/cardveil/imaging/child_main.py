"""Runs one decoder's script in this process of its own: limits first, then the file; imports nothing of ours.

The script's ``work(data, told, out)`` writes what it makes to `out` and returns 0, or one of the numbers of
`children` that say what is wrong with the file.
"""

from __future__ import annotations

import json
import math
import resource
import runpy
import sys

_TOO_LARGE, _MISSING = 4, 8


def main() -> int:
    """Work on the one file of standard input."""
    told = json.loads(sys.argv[1])
    seconds, memory = math.ceil(told["limits"]["seconds"]), int(told["limits"]["memory"])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.path[:] = told["path"]
    try:
        work = runpy.run_path(told["script"])["work"]
        code: int = work(sys.stdin.buffer.read(), told, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except ImportError:
        return _MISSING
    except MemoryError:
        return _TOO_LARGE
    return code


if __name__ == "__main__":
    sys.exit(main())
