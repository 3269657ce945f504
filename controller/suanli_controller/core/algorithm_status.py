"""What an Algorithm's status says, from the workloads that take their builds from it."""

import datetime as dt
from collections.abc import Iterable, Iterator

from suanli_controller.api import algorithm, names, workload
from suanli_controller.core import centre, conditions

VALID = "Valid"
UNKNOWN_CLASS = "UnknownClass"
NO_VERSIONS = "NoVersions"


def status_of(
    item: algorithm.Algorithm, users: Iterable[workload.ComputeWorkload], now: dt.datetime
) -> algorithm.AlgorithmStatus:
    """The whole status; `users` are the workloads that refer to it."""
    using = list(users)
    problems = list(_problems(item))
    reason, message = problems[0] if problems else (VALID, f"{len(item.spec.versions)} versions")
    found = [conditions.make(names.READY, "False" if problems else "True", reason, message)]
    return algorithm.AlgorithmStatus(
        observed_generation=item.metadata.generation,
        conditions=conditions.merged(item.status.conditions, found, item.metadata.generation, now),
        workloads=len(using),
        replicas=sum(each.status.replicas for each in using),
    )


def _problems(item: algorithm.Algorithm) -> Iterator[tuple[str, str]]:
    if not item.spec.versions:
        yield NO_VERSIONS, "spec.versions is empty: no workload can refer to it"
    for version in item.spec.versions:
        for each in version.throughput:
            try:
                centre.class_parts(each.class_)
            except ValueError as error:
                yield UNKNOWN_CLASS, f"spec.versions[{version.version}].throughput: {error}"
