"""The access ledger's entries: of requests over HTTP, and of what schedule and commands do to cards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cardveil.core.errors import CardveilError
from cardveil.core.frozen import dataclass
from cardveil.settings import Settings
from cardveil.storage.ledger import Ledger, Mark, entry_of
from cardveil.storage.objects import Objects


def entered(
    ledger: Ledger,
    objects: Objects,
    settings: Settings,
    entry: Mapping[str, Any],
    on_fault: Callable[[CardveilError], None],
) -> Mark | None:
    """Write an entry down; None where it failed and the settings go on all the same.

    Raises
    ------
    CardveilError
        Where it must be written and cannot be: nothing may be shown or done then.
    """
    try:
        return ledger.enter(objects, settings.state_prefix, [entry])
    except CardveilError as fault:
        on_fault(fault)
        if settings.ledger == "strict":
            raise
        return None


@dataclass(frozen=True, slots=True)
class Entering:
    """Enters what one run of the schedule, or of a command, does or shows.

    Attributes
    ----------
    settings : Settings
        With a ledger that is not ``off``.
    by, role : str
        Who: ``schedule`` twice, or an operator's name with ``operator``.
    on_fault : callable
        Told what kept an entry from being written.
    """

    ledger: Ledger
    objects: Objects
    settings: Settings
    by: str
    role: str
    request: str
    on_fault: Callable[[CardveilError], None] = lambda _: None
    why: str = ""
    now: Callable[[], float] = time.time

    def enter(self, look: str, cards: Iterable[str], detail: str = "", refused: str = "") -> None:
        """Enter what is about to be done or shown, or, with the code in `refused`, that it was not done.

        Raises
        ------
        CardveilError
            As `entered` does.
        """
        entry = entry_of(
            self.now(),
            self.by,
            (self.role,),
            look,
            cards,
            why=self.why,
            request=self.request,
            detail=detail,
            refused=refused,
        )
        entered(self.ledger, self.objects, self.settings, entry, self.on_fault)
