"""Strangers at the callback's door during a chaos run: none of what they bring may lead to any work."""

from __future__ import annotations

import json
import time

import requests
from tests.support.chaos.pictures import picture
from tests.support.cloud_fixture import Bench

from cardveil.pipeline.signing import Reference, Signer
from cardveil.storage.keys import source_digest


class Strangers:
    """Callbacks that nobody should believe: forged, altered, replayed, expired, foreign, unreadable."""

    def __init__(self, running: Bench, seed: int) -> None:
        self._bench = running
        self._url = running.function_urls["on_callback"]
        self._seed = seed
        self.tried = 0
        self.accepted = 0

    def knock(self, number: int) -> None:
        """Try every kind once, against a source that is there."""
        shown = picture(number)
        genuine = self._genuine()
        foreign = Signer(["somebody-elses-secret-of-32-letters"])
        reference = Reference.to(self._bench.bucket, shown.key, time.time() + 3600)
        texts: list[str | None] = [None, "", "x" * 1025, foreign.sign(reference)]
        if genuine:
            text, _ = genuine
            head, _, seal = text.rpartition(".")
            texts += [text[:-1], head, f"{head}.{seal[::-1]}", text.replace("cv1", "cv2"), text + "="]
            parts = text.split(".")
            parts[4] = str(int(parts[4]) + 86400)
            texts.append(".".join(parts))
            parts = text.split(".")
            parts[2] = reference.source
            texts.append(".".join(parts))
        for forged in texts:
            self._post(forged, "a" + "0" * 32)
        if genuine:
            # The right reference with another's job: nothing of the body may be believed.
            self._post(genuine[0], "a" + "f" * 32)
            # A true callback of a job that is done, as often as anybody likes.
            self._post(*genuine)

    def _genuine(self) -> tuple[str, str] | None:
        """Return the reference and id of a job whose picture is finished."""
        for job in self._bench.cloud.call(lambda: list(self._bench.cloud.jobs.all())):
            name = job.object_key.removeprefix("inbox/")
            note = f".cardveil/jobs/{source_digest(job.object_key)}.json"
            if self._bench.there(f"sidecars/{name}.json") and not self._bench.there(note):
                return job.user_data, job.job_id
        return None

    def _post(self, user_data: str | None, job_id: str) -> None:
        operation = {} if user_data is None else {"UserData": user_data}
        detail = {"Code": "Success", "JobId": job_id, "State": "Success", "Operation": operation}
        self.tried += 1
        body = json.dumps({"EventName": "TaskFinish", "JobsDetail": detail})
        answer = requests.post(self._url, data=body, timeout=60)
        self.accepted += "accepted" in answer.text
