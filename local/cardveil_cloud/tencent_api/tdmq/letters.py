"""The queues of dead letters: each function's letters are in the queue that its `deadLetter` names."""

from __future__ import annotations

from typing import Final

from cardveil_cloud.scf.deadletters import Hidden, Letter
from cardveil_cloud.scf.service import ScfService

#: Letters of functions that name no queue: the platform drops them, this cloud keeps them to be looked at.
UNNAMED_QUEUE: Final = "local-dead-letters"
#: How long a message that was received is kept from others, in seconds (CMQ's default).
INVISIBLE_S: Final = 30.0


class LetterQueues:
    """The dead letters of one local cloud by queue."""

    def __init__(self, scf: ScfService) -> None:
        self._scf = scf

    @property
    def names(self) -> set[str]:
        """All queues there are."""
        return {UNNAMED_QUEUE, *self._by_function().values()}

    def counts(self, queue: str, now: float) -> tuple[int, int]:
        """Return how many letters may be received, and how many somebody has received just now."""
        held = self._scf.dead_letters.hidden(now)
        ids = [str(each["RequestId"]) for each in self._scf.dead_letters.all() if self._of(each) == queue]
        hidden = sum(each in held for each in ids)
        return len(ids) - hidden, hidden

    def receive(self, queue: str, most: int, now: float) -> list[tuple[Hidden, Letter]]:
        """Hand out the oldest letters of a queue."""
        wanted = lambda letter: self._of(letter) == queue  # noqa: E731
        return self._scf.dead_letters.receive(wanted, most, now, INVISIBLE_S)

    def remove(self, handle: str, now: float) -> bool:
        """Delete a letter that was received; False for a handle that is not good any more."""
        return self._scf.dead_letters.remove(handle, now)

    def _by_function(self) -> dict[str, str]:
        functions = self._scf.deployment.functions.values()
        return {spec.name: spec.dead_letter[1] for spec in functions if spec.dead_letter is not None}

    def _of(self, letter: Letter) -> str:
        function = str((letter.get("Body") or {}).get("FunctionName", ""))
        return self._by_function().get(function, UNNAMED_QUEUE)
