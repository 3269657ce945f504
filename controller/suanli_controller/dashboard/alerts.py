"""What a person should look at, from the rows alone. Pure."""

from collections.abc import Iterator

from suanli_controller.dashboard import answers, replica, rights, totals
from suanli_controller.view import model

_DAY = 86_400
CREDENTIAL_WARNING = 30 * _DAY  # a person has to renew it, and may be on leave
CREDENTIAL_CRITICAL = 3 * _DAY
CERTIFICATE_WARNING = _DAY  # boxes renew by themselves long before: a day left means that renewing fails
FULL_PERMILLE = 950  # by then kube-scheduler leaves larger pods waiting
MOST = 200  # on a page; whoever has more has one cause


def of(held: replica.Replica, mine: rights.Rights, now: int) -> list[answers.Alert]:
    """The worst first, then by age; at most MOST. Who sees totals only is not told whom an alert is about."""
    found = [*_clouds(held, mine, now), *_sites(held, mine, now), *_classes(held, mine), *_workloads(held, mine)]
    found.sort(key=lambda a: (a.severity != "critical", a.since or now, a.subject))
    return found[:MOST]


def _clouds(held: replica.Replica, mine: rights.Rights, now: int) -> Iterator[answers.Alert]:
    if not (mine.clouds or mine.totals):
        return
    for cloud in held.clouds.values():
        for alert in _of_cloud(cloud, now):
            yield alert if mine.clouds else _unnamed(alert)


def _of_cloud(cloud: model.Cloud, now: int) -> Iterator[answers.Alert]:
    if cloud.ready is not None and cloud.ready.status != "True":
        yield _not_ready("CloudNotReady", cloud.target, cloud.ready)
    if cloud.nodes > cloud.ready_nodes:
        yield _warning("NodesNotReady", cloud.target, cloud.nodes - cloud.ready_nodes)
    if cloud.credential_expires is not None:
        yield from _expiry("CredentialExpires", cloud.target, cloud.credential_expires - now, CREDENTIAL_WARNING)


def _sites(held: replica.Replica, mine: rights.Rights, now: int) -> Iterator[answers.Alert]:
    if not (mine.sites or mine.totals):
        return
    for site in held.sites.values():
        for alert in _of_site(site, now):
            yield alert if mine.sites else _unnamed(alert)


def _of_site(site: model.Site, now: int) -> Iterator[answers.Alert]:
    if site.ready is not None and site.ready.status != "True" and site.boxes == site.ready_boxes:
        yield _not_ready("SiteNotReady", site.target, site.ready)
    if site.boxes > site.ready_boxes:
        yield _warning("BoxesNotReady", site.target, site.boxes - site.ready_boxes)
    if site.next_certificate_expiry is not None:
        left = site.next_certificate_expiry - now
        yield from _expiry("CertificateExpires", site.target, left, CERTIFICATE_WARNING)


def _not_ready(reason: str, subject: str, ready: model.Condition) -> answers.Alert:
    return answers.Alert(
        reason=reason,
        severity="critical",
        subject=subject,
        since=ready.since,
        message=f"{ready.reason}: {ready.message}" if ready.message else ready.reason,
    )


def _warning(reason: str, subject: str, value: int) -> answers.Alert:
    return answers.Alert(reason=reason, severity="warning", subject=subject, value=value)


def _expiry(reason: str, subject: str, left: int, warn: int) -> Iterator[answers.Alert]:
    if left < warn:
        severity: answers.Severity = "critical" if left < min(CREDENTIAL_CRITICAL, warn // 4) else "warning"
        yield answers.Alert(reason=reason, severity=severity, subject=subject, value=max(left, 0))


def _unnamed(alert: answers.Alert) -> answers.Alert:
    return answers.Alert(reason=alert.reason, severity=alert.severity, value=alert.value, since=alert.since)


def _classes(held: replica.Replica, mine: rights.Rights) -> Iterator[answers.Alert]:
    for total in totals.by(totals.visible(held, mine), ("class",)):
        for resource, amount in total.allocatable.items():
            permille = total.requested.get(resource, 0) * 1000 // amount if amount else 0
            if permille >= FULL_PERMILLE:
                yield answers.Alert(
                    reason="ClassFull",
                    severity="warning",
                    subject=total.key["class"],
                    value=min(permille, 1000),
                    message=resource,
                )


def _workloads(held: replica.Replica, mine: rights.Rights) -> Iterator[answers.Alert]:
    for workload in rights.workloads(held, mine):
        if workload.unplaced_replicas > 0:
            yield answers.Alert(
                reason="ReplicasUnplaced",
                severity="warning",
                subject=f"ComputeWorkload/{workload.key}",
                value=workload.unplaced_replicas,
                message=", ".join(r.reason for r in workload.unplaced[:3]),
            )
