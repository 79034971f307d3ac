"""What is done to a person's decision afterwards: its copy is written, or less of its texts is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from cardveil.card.findings import Status
from cardveil.core.errors import RETRY_HINT, PermissionMissing, Reject, Retry, Review
from cardveil.core.frozen import replace
from cardveil.pipeline.decided_policy import present_policy
from cardveil.pipeline.renewal import covered, stored_verdict
from cardveil.pipeline.texts_at_rest import keeping_of
from cardveil.redaction import policy_of
from cardveil.storage.archive import put_archive
from cardveil.storage.sidecar import (
    MAX_BYTES,
    as_card,
    as_entry,
    cards_of,
    history_of,
    read_sidecar,
)
from cardveil.storage.sidecar_parts import all_cards_of

if TYPE_CHECKING:
    from cardveil.pipeline.claim import Claim
    from cardveil.pipeline.pipeline import Pipeline


def finish(pipeline: Pipeline, claimed: Claim) -> None:
    """Write the copy of an unfinished decision, from the cards and by the policy that its sidecar records.

    Until then there is no copy, which is never less than what was decided: whoever cannot do it leaves it to
    the next who comes.

    Raises
    ------
    Retry
        When it cannot be done now.
    """
    try:
        written, data = pipeline.results.objects.get(claimed.keys.sidecar, max_bytes=MAX_BYTES)
    except (PermissionMissing, Reject):
        return
    document = read_sidecar(data, claimed.source.key)
    cards = all_cards_of(document) if document else ()
    if document is None or not cards or claimed.data is None:
        return
    policy = present_policy(document, pipeline.rules.policy, decided=True)
    if policy is None:
        return
    verdict = stored_verdict(document, Status.REDACTED, cards, document["findings"])
    try:
        with pipeline.recognising(claimed.keys) as recogniser:
            done = covered(verdict, claimed.data, replace(claimed.rules, policy=policy), recogniser)
    except (Reject, Review):
        raise Retry("decision_unfinished", RETRY_HINT) from None
    if done.copy is None:
        raise Retry("decision_unfinished", RETRY_HINT)
    output = {**document["redaction"]["output"], "sha256": done.copy.sha256}
    document = {**document, "redaction": {**document["redaction"], "output": output}}
    sidecar = orjson.dumps(document, option=orjson.OPT_INDENT_2)
    pipeline.results.finish_decision(claimed.keys, written, sidecar, (done.copy.data, done.copy.media_type))


def keep_less(pipeline: Pipeline, claimed: Claim) -> None:
    """Write a decision's sidecar anew with its texts as the settings have them kept; all else stays.

    Where the policy that it was made by is not known any more, no text stays.
    """
    keeping = keeping_of(pipeline.settings)
    written, data = pipeline.results.objects.get(claimed.keys.sidecar, max_bytes=MAX_BYTES)
    document = read_sidecar(data, claimed.source.key)
    if document is None:
        return
    # The sidecar last: with it nothing more is looked for.
    for key in list(pipeline.sources.list(claimed.keys.history)):
        _, archived = pipeline.sources.get(key, max_bytes=MAX_BYTES)
        entries = [{**entry, "reason": ""} for entry in orjson.loads(archived or b"[]")]
        put_archive(pipeline.sources, key, entries)
    policy = present_policy(document, pipeline.rules.policy, decided=True) or policy_of("unknown", {})
    history = keeping.history(history_of(document))

    def kept(part: Mapping[str, Any]) -> dict[str, Any]:
        cards = keeping.cards(cards_of(part), policy, claimed.source.key)
        return {**part, "cards": [as_card(card) for card in cards]}

    if "pages" in document:
        document = {**document, "pages": [kept(page) for page in document["pages"]]}
    document = {
        **kept(document),
        "pipeline": {**document["pipeline"], "texts": keeping.tag},
        "history": [as_entry(decision) for decision in history],
    }
    sidecar = orjson.dumps(document, option=orjson.OPT_INDENT_2)
    pipeline.results.rewrite(claimed.keys, written, sidecar, claimed.version)
