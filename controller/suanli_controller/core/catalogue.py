"""Which builds a workload runs: its own variants, or those of a version in the catalogue of algorithms."""

from suanli_controller.api import algorithm, template, workload
from suanli_controller.core.rules import InvalidTemplate


def builds_of(
    spec: workload.ComputeWorkloadSpec, entry: algorithm.Algorithm | None
) -> tuple[workload.Variant, ...]:
    """The variants to run; `entry` is the Algorithm that `spec.algorithmRef` names, where there is one.

    Raises InvalidTemplate for an algorithm or version that does not exist, and for a build whose containers are not
    those of the template: the API server checks that for a workload's own variants only.
    """
    reference = spec.algorithm_ref
    if reference is None:
        return tuple(spec.variants)
    if spec.variants:
        raise InvalidTemplate(f"spec.algorithmRef: {workload.REFERENCE_RULE['message']}")
    if entry is None:
        raise InvalidTemplate(f"spec.algorithmRef.name: {reference.name!r}: there is no such Algorithm")
    version = next((each for each in entry.spec.versions if each.version == reference.version), None)
    if version is None:
        known = ", ".join(each.version for each in entry.spec.versions) or "none"
        raise InvalidTemplate(
            f"spec.algorithmRef.version: {reference.version!r}: Algorithm {reference.name} has {known}"
        )
    _check_containers(spec, version, reference.name)
    return tuple(version.variants)


def _check_containers(spec: workload.ComputeWorkloadSpec, version: algorithm.AlgorithmVersion, name: str) -> None:
    pod = template.part(spec.template, "spec")
    there = {each["name"] for field in ("initContainers", "containers") for each in pod.get(field, [])}
    for build in version.variants:
        for container in build.containers:
            if container.name not in there:
                raise InvalidTemplate(
                    f"spec.template.spec.containers: Algorithm {name} {version.version} needs one named "
                    f"{container.name!r} (variant {build.name})"
                )
