"""What one source is to be processed by that the settings do not say: arguments of one call."""

from __future__ import annotations

import math
from collections.abc import Callable

from cardveil.card.model import CardType
from cardveil.core.errors import Reject, Review
from cardveil.core.frozen import dataclass
from cardveil.pipeline.covering import RedactionRules
from cardveil.recognition.interfaces import Locator, Reading


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """Options of one call of `Pipeline.process`.

    Attributes
    ----------
    force : bool
        Recognise the source again although it has a result, unless a person has decided that.
    execution : str, optional
        ``direct`` or ``job``, before what the settings say; the object's own metadata comes first.
    card_type : CardType, optional
        Which card is expected, before what the settings say; the object's own metadata comes first.
    rules : RedactionRules, optional
        In place of the pipeline's own.
    chosen : str
        A packaged policy that a request names for the source; see `decided_policy`.
    limit_s : float
        Longest that it may take, in seconds: the lease of an instance that was killed is void after that.
    wait : float
        Share of the time that may be spent on waiting for a source that another works on.
    text : Reading, Reject or Review, optional
        The text provider's answer, which was given with the upload: it is not asked again.
    locator : callable, optional
        Makes the locator to be asked, from the one that would be asked otherwise.
    """

    force: bool = False
    execution: str | None = None
    card_type: CardType | None = None
    rules: RedactionRules | None = None
    chosen: str = ""
    limit_s: float = math.inf
    wait: float = 0.5
    text: Reading | Reject | Review | None = None
    locator: Callable[[Locator], Locator] | None = None
