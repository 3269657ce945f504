"""What the API connections count of themselves, for Prometheus. No label grows with the number of objects."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter(
    "suanli_kube_requests",
    "Requests to API servers, by verb and answer; code 0 means that no answer came.",
    ["verb", "code"],
)
REQUEST_SECONDS = Histogram(
    "suanli_kube_request_duration_seconds",
    "Time from sending a request until its whole answer was read; watches are left out.",
    ["verb"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
WATCH_EVENTS = Counter("suanli_kube_watch_events", "Watch events that were read into a cache.", ["resource"])
LISTS = Counter("suanli_kube_lists", "How often a cache was filled from a full list.", ["resource"])
WATCH_ENDS = Counter(
    "suanli_kube_watch_ends",
    "Why watches ended: closed (by the server, in order), or the reason of the error.",
    ["resource", "reason"],
)
UNDECODABLE = Counter(
    "suanli_kube_undecodable_objects", "Objects that were skipped because they could not be decoded.", ["resource"]
)
CACHED = Gauge("suanli_kube_cached_objects", "Objects in the caches, all API servers together.", ["resource"])
QUEUE_DEPTH = Gauge("suanli_queue_depth", "Keys that are ready and wait for a worker.", ["queue"])
QUEUE_ADDS = Counter(
    "suanli_queue_adds", "Keys that were put into a queue, repeats of waiting ones included.", ["queue"]
)
QUEUE_RETRIES = Counter("suanli_queue_retries", "Keys that were put back with a backoff.", ["queue"])
QUEUE_SECONDS = Histogram(
    "suanli_queue_duration_seconds",
    "Time that a key waited, ready, for a worker.",
    ["queue"],
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30),
)
LEADER = Gauge("suanli_leader", "1 while this replica leads, else 0.")
EVENTS_DROPPED = Counter("suanli_events_dropped", "Kubernetes Events that were not written, by why.", ["reason"])
