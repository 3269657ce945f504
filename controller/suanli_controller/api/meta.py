"""The parts of Kubernetes' meta/v1 that every kind shares, and the bounded field types of our own kinds.

Structs are frozen: one decoded object is handed to many readers. `gc=False` is safe because none of them can hold
a reference cycle, and keeps the collector off caches of hundreds of thousands of objects.
"""

import datetime as dt
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from suanli_controller.api.markers import REQUIRED, rule, rules


class Part(Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """Base of everything inside a Kubernetes object: camelCase names, defaults left out when written."""


Time = Annotated[dt.datetime, Meta(tz=True)]
"""A moment as Kubernetes writes it, RFC 3339 with a time zone."""


class ObjectMeta(Part, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    finalizers: list[str] = field(default_factory=list)
    owner_references: "list[OwnerReference]" = field(default_factory=list)


class OwnerReference(Part, frozen=True):
    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False


Status = Literal["True", "False", "Unknown"]


class Condition(Part, frozen=True):
    """One aspect of the object's current state, as in meta/v1."""

    type: Annotated[str, Meta(max_length=63, description="Aspect that this condition speaks of, e.g. Ready.")]
    status: Annotated[Status, Meta(description="Whether the aspect holds: True, False or Unknown.")]
    reason: Annotated[
        str,
        Meta(max_length=128, pattern="^[A-Za-z]([A-Za-z0-9]*)$", description="Why, as one CamelCase word."),
        REQUIRED,
    ] = ""
    message: Annotated[str, Meta(max_length=4096, description="Why, for a person to read.")] = ""
    observed_generation: Annotated[
        int, Meta(ge=0, description="The metadata.generation that this condition was computed from.")
    ] = 0
    last_transition_time: Annotated[
        Time | None, Meta(description="When status last changed from one value to another.")
    ] = None


SelectorOperator = Literal["In", "NotIn", "Exists", "DoesNotExist"]
LabelKey = Annotated[str, Meta(min_length=1, max_length=317)]
LabelValue = Annotated[str, Meta(max_length=63)]


class LabelSelectorRequirement(Part, frozen=True):
    """One requirement on a label."""

    key: Annotated[LabelKey, Meta(description="Label key.")]
    operator: Annotated[SelectorOperator, Meta(description="How the label's value relates to values.")]
    values: Annotated[
        list[LabelValue],
        Meta(max_length=64, description="Values for In and NotIn; empty for Exists and DoesNotExist."),
    ] = []


class LabelSelector(Part, frozen=True):
    """Which objects are meant, by their labels: all requirements must hold, an empty one means all objects."""

    match_labels: Annotated[
        dict[LabelKey, LabelValue], Meta(max_length=64, description="Labels that must have exactly these values.")
    ] = {}
    match_expressions: Annotated[
        list[LabelSelectorRequirement],
        Meta(
            max_length=64,
            description="Further requirements on labels.",
            extra_json_schema=rules(
                rule(
                    "self.all(e, e.operator in ['In', 'NotIn'] ? has(e.values) && e.values.size() > 0 : "
                    "!has(e.values) || e.values.size() == 0)",
                    "values must be given for the operators In and NotIn, and left out for Exists and DoesNotExist",
                )
            ),
        ),
    ] = []
