"""Which container a person means, and how exec and attach are asked of the runtime."""

from __future__ import annotations

from suanli_agent.core import objects, observed
from suanli_agent.pods import ports, view, worker
from suanli_agent.runtime import cri_pb2 as cri


def container(
    one: worker.Worker, seen: view.View, name: str, *, previous: bool = False, running: bool = False
) -> observed.ContainerRecord:
    """The newest container of that name, or the one before it. Raises LookupError saying what is wrong."""
    meta = one.pod.metadata
    _, records = seen.of(meta.uid)
    found = [record for record in records if record.name == name]
    if not found:
        raise LookupError(f'container "{name}" in pod "{meta.name}" is waiting to start or does not exist')
    if previous:
        if len(found) < 2:
            raise LookupError(f'previous terminated container "{name}" in pod "{meta.name}" not found')
        return found[1]
    if running and not found[0].running:
        raise LookupError(f'container "{name}" in pod "{meta.name}" is not running')
    return found[0]


def exec_request(container_id: str, command: list[str], options: ports.ExecOptions) -> cri.ExecRequest:
    """One exec; a terminal has no stderr of its own."""
    return cri.ExecRequest(
        container_id=container_id,
        cmd=command,
        tty=options.tty,
        stdin=options.stdin,
        stdout=options.stdout,
        stderr=options.stderr and not options.tty,
    )


def attach_request(
    pod: objects.Pod, record: observed.ContainerRecord, options: ports.ExecOptions
) -> cri.AttachRequest:
    """One attach; whether there is a terminal is the container's own matter."""
    every = [*pod.spec.init_containers, *pod.spec.containers, *pod.spec.ephemeral_containers]
    tty = next((c.tty for c in every if c.name == record.name), False)
    return cri.AttachRequest(
        container_id=record.id,
        stdin=options.stdin,
        tty=tty,
        stdout=options.stdout,
        stderr=options.stderr and not tty,
    )
