"""The API's document (OpenAPI 3.1), and what every route says of itself in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel

from cardveil.api.models import CODE_FORM, CODE_LENGTH, ProblemAnswer
from cardveil.api.problems import MEDIA_TYPE, STATUSES
from cardveil.api.problems import title as title_of
from cardveil.api.resolver import UrlResolver
from cardveil.pipeline.examine import PIPELINE_VERSION
from cardveil.storage.sidecar import schema

_DESCRIPTION: Final = (
    "Reads photographs of Chinese ID cards and driver's licences on demand, redacts them, and lets a person "
    "decide where the machine is not sure. Polygons are four points, in pixels of the upright picture, "
    "clockwise from the text's own top left. Every answer says `Cache-Control: no-store`."
)
_PURPOSE: Final = {
    "in": "header",
    "name": "X-Cardveil-Purpose",
    "required": False,
    "description": "What a look is for: a code that the access ledger keeps, no words. Wanted of every look "
    "where `CARDVEIL_PURPOSE=required`.",
    "schema": {"type": "string", "pattern": f"^{CODE_FORM}$", "maxLength": CODE_LENGTH},
}
#: What every route may answer: the event, the settings, the account.
_ALWAYS: Final = (400, 500, 503)


def described(
    summary: str, answer: type[BaseModel] | None, *, role: str | None = None, media_types: Sequence[str] = ()
) -> dict[str, Any]:
    """Return what a route tells Powertools of itself; without a role it is open to everybody.

    Parameters
    ----------
    media_types
        Of an answer that is text and has no model.
    """
    content: dict[str, Any] = {media_type: {"schema": {"type": "string"}} for media_type in media_types}
    if answer is not None:
        content["application/json"] = {"model": answer}
    responses: dict[int, Any] = {200: {"description": "Done", "content": content}}
    for status in STATUSES:
        if role or status in _ALWAYS:
            responses[status] = {
                "description": title_of(status),
                "content": {MEDIA_TYPE: {"model": ProblemAnswer}},
            }
    return {
        "summary": summary,
        "description": f"Wants the role `{role}`." if role else "Open to everybody.",
        "responses": responses,
        "security": [{"token": []}, {"own": []}] if role else [],
    }


def document(app: UrlResolver) -> dict[str, Any]:
    """Return the API's document."""
    # Some forty models, which take as long to import as all that a request needs of Powertools.
    from aws_lambda_powertools.event_handler.openapi.models import APIKey, HTTPBearer

    described_by_routes = app.get_openapi_schema(
        title="Cardveil",
        version=PIPELINE_VERSION,
        openapi_version="3.1.0",
        description=_DESCRIPTION,
        security_schemes={
            "token": HTTPBearer(bearerFormat="JWT", description="A token of `cardveil token`."),
            "own": APIKey.model_validate(
                {
                    "in": "header",
                    "name": "X-Cardveil-Token",
                    "description": "The same, where Authorization is the platform's own signature (CAM).",
                }
            ),
        },
    )
    found: dict[str, Any] = described_by_routes.model_dump(by_alias=True, exclude_none=True, mode="json")
    schemas = found["components"]["schemas"]
    # Powertools' own forms of a fault are not ours; it adds them to every route.
    for unused in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(unused, None)
    for item in found["paths"].values():
        for operation in item.values():
            if operation.get("security"):
                operation.setdefault("parameters", []).append(_PURPOSE)
            if "requestBody" not in operation and not operation.get("security"):
                operation["responses"].pop("422", None)
    sidecar = schema()
    schemas["Sidecar"] = _inlined(sidecar, sidecar["$defs"])
    schemas["CardAnswer"]["properties"]["sidecar"] = {"$ref": "#/components/schemas/Sidecar"}
    return found


def _inlined(node: Any, definitions: Any) -> Any:
    """Put a schema's own definitions where they are used: in the API's document the root is another."""
    if isinstance(node, dict):
        if "$ref" in node:
            return _inlined(definitions[node["$ref"].rpartition("/")[2]], definitions)
        kept = {name: part for name, part in node.items() if name not in {"$schema", "$id", "$defs"}}
        return {name: _inlined(part, definitions) for name, part in kept.items()}
    return [_inlined(part, definitions) for part in node] if isinstance(node, list) else node
