"""A handler that does what its event asks, so that the platform around it can be watched."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

CALLS = []


def main_handler(event, context):
    CALLS.append(1)
    _note(event, context)
    if "httpMethod" in event and event["queryString"].get("do"):
        event = {**event, **json.loads(event["body"] or "{}"), "do": event["queryString"]["do"]}
    return ACTIONS[event.get("do", "report")](event, context)


def _note(event, context):
    # One line an invocation, in a file that the test reads: the only trace that survives a kill.
    with Path(os.environ["TOY_NOTES"]).open("a") as notes:
        line = {
            "pid": os.getpid(),
            "request_id": context["request_id"],
            "at": time.monotonic(),
            "event": event,
        }
        notes.write(json.dumps(line) + "\n")


def report(event, context):
    import toy_layer

    return {
        "event": event,
        "context": context,
        "pid": os.getpid(),
        "calls": len(CALLS),
        "cwd": str(Path.cwd()),
        "environ": dict(os.environ),
        "layer": toy_layer.NAME,
        "packages": sorted(name for name in ("starlette", "numpy", "cv2", "uvicorn") if name in sys.modules),
    }


def sleep(event, context):
    time.sleep(event["seconds"])
    return {"pid": os.getpid()}


def wait(event, context):
    while not Path(event["file"]).exists():
        time.sleep(0.01)


def fail(event, context):
    raise ValueError("a toy that fails")


def leave(event, context):
    os._exit(3)


def exhaust_in_a_child(event, context):
    program = "import time; held = b'x' * (200 << 20); time.sleep(60)"
    subprocess.run([sys.executable, "-c", program], check=False)


def exhaust(event, context):
    hoard = bytearray(256 * 1024 * 1024)
    for index in range(0, len(hoard), 4096):
        hoard[index] = 1
    time.sleep(60)


def noise(event, context):
    print("\x00\x00\x00\x05hello", flush=True)  # noqa: T201 - noise is the point
    os.write(1, b"\xff\xfe raw bytes on standard output\n")
    os.write(2, b"raw bytes on standard error\n")
    subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
    return {"quiet": True}


def big(event, context):
    return "x" * event["size"]


def odd(event, context):
    return {1, 2, 3}


def spawn(event, context):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    return {"pid": os.getpid(), "child": child.pid}


def answer(event, context):
    return event["answer"]


ACTIONS = {
    "report": report,
    "sleep": sleep,
    "wait": wait,
    "fail": fail,
    "leave": leave,
    "exhaust": exhaust,
    "exhaust_in_a_child": exhaust_in_a_child,
    "noise": noise,
    "big": big,
    "odd": odd,
    "spawn": spawn,
    "answer": answer,
}
