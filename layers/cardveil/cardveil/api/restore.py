"""Opens texts that sidecars keep sealed, for who may, and says so in the ledger first."""

from __future__ import annotations

from typing import Any

from cardveil.api.cards import find
from cardveil.api.context import RequestContext
from cardveil.api.models import RestoreRequest
from cardveil.api.problems import Problem
from cardveil.api.refs import reference
from cardveil.pipeline.sealing import SealBrokenError
from cardveil.pipeline.texts_at_rest import keeping_of, place_of
from cardveil.storage.sidecar import cards_of


def restore(context: RequestContext, named: str, request: RestoreRequest) -> dict[str, Any]:
    """Return the sealed texts of a card, of all its fields or of those that are asked for.

    Raises
    ------
    Problem
        404 ``card_unknown``; 409 ``nothing_sealed`` for a card without such texts, ``seal_broken`` for what
        was changed, moved, or sealed by a key that is not among the settings'.
    """
    found = find(context, named)
    wanted = set(request.fields)
    parts = [(None, found.document), *enumerate(found.document.get("pages", ()))]
    sealed = [
        (page, number, field)
        for page, part in parts
        for number, card in enumerate(cards_of(part))
        for field in card.fields
        if field.sealed and (not wanted or field.name in wanted)
    ]
    if not sealed:
        raise Problem(409, "nothing_sealed", "read the card: it keeps no sealed text of these fields")
    context.enter_first(found.key, request.reason, *sorted({field.name for _, _, field in sealed}))
    seals = keeping_of(context.settings).seals
    told = []
    for page, number, field in sealed:
        try:
            said = seals.opened(place_of(found.key, field.name), field.sealed or "")
        except SealBrokenError:
            raise Problem(
                409, "seal_broken", "set the key that it was sealed by, or submit the picture again"
            ) from None
        told.append({"page": page, "card": number, "name": field.name, **said})
    return {"ref": reference(found.key), "version": found.version, "fields": told}
