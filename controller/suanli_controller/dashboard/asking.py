"""What a request asks for: the query parameters of the API, checked, as filters and cuts.

The dependencies are coroutines, though they wait for nothing: FastAPI sends plain functions to a thread each.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Literal

import msgspec
from fastapi import Depends, Query

from suanli_controller.dashboard import query

Text = Annotated[str, Query(max_length=253)]
Flag = Annotated[bool | None, Query()]
Tier = Literal["", "Municipal", "District", "Edge"]
Dimension = Literal[
    "architecture", "family", "os", "accelerator", "class", "tier", "district", "provider", "target"
]  # fmt: skip
By = Annotated[list[Dimension], Query(max_length=4, description="Dimensions to group by, in order.")]
Series = Literal["total", "tier", "architecture", "family", "accelerator", "district"]
Seconds = Annotated[int, Query(ge=60, le=60 * 86_400, description="How far back.")]

_LARGEST_OFFSET = 10_000_000
_LARGEST_LIMIT = 500  # a screenful many times over; whoever wants all takes the CSV


async def _places(
    q: Text = "",
    tier: Tier = "",
    district: Text = "",
    provider: Text = "",
    ready: Flag = None,
    cordoned: Flag = None,
) -> query.Filter:
    return query.Filter(text=q, tier=tier, district=district, provider=provider, ready=ready, cordoned=cordoned)


_Places = Annotated[query.Filter, Depends(_places)]


async def _hardware(
    wanted: _Places,
    architecture: Text = "",
    family: Text = "",
    os: Text = "",
    accelerator: Text = "",
    class_key: Annotated[str, Query(alias="class", max_length=253)] = "",
) -> query.Filter:
    return msgspec.structs.replace(
        wanted, architecture=architecture, family=family, os=os, accelerator=accelerator, class_key=class_key
    )


PlaceFilter = Annotated[query.Filter, Depends(_hardware)]


async def _nodes(wanted: PlaceFilter, target: Text = "") -> query.Filter:
    return msgspec.structs.replace(wanted, target=target)


NodeFilter = Annotated[query.Filter, Depends(_nodes)]


async def _workloads(
    q: Text = "", namespace: Text = "", target: Text = "", algorithm: Text = "", unplaced: Flag = None
) -> query.Filter:
    return query.Filter(text=q, namespace=namespace, target=target, algorithm=algorithm, unplaced=unplaced)


WorkloadFilter = Annotated[query.Filter, Depends(_workloads)]


def _cut(words: Iterable[str], usual: int) -> Callable[..., Awaitable[query.Cut]]:
    """A dependency that reads sort, offset and limit; `words` are the sorts of one table."""
    pattern = f"^(-?({'|'.join(words)}))?$"
    description = f"One of {', '.join(words)}; with - before it the other way round."

    async def cut(
        sort: Annotated[str, Query(pattern=pattern, max_length=32, description=description)] = "",
        offset: Annotated[int, Query(ge=0, le=_LARGEST_OFFSET)] = 0,
        limit: Annotated[int, Query(ge=1, le=_LARGEST_LIMIT)] = usual,
    ) -> query.Cut:
        return query.Cut(sort, offset, limit)

    return cut


CloudCut = Annotated[query.Cut, Depends(_cut(query.CLOUD_SORTS, 100))]
SiteCut = Annotated[query.Cut, Depends(_cut(query.SITE_SORTS, 100))]
NodeCut = Annotated[query.Cut, Depends(_cut(query.NODE_SORTS, 50))]
WorkloadCut = Annotated[query.Cut, Depends(_cut(query.WORKLOAD_SORTS, 50))]
AlgorithmCut = Annotated[query.Cut, Depends(_cut(("name",), 100))]
