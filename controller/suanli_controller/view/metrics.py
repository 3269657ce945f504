"""What the stream counts of itself and what the fleet holds, for Prometheus. Labels are classes and tiers,
never nodes.
"""

from prometheus_client import Counter, Gauge

SUBSCRIBERS = Gauge("suanli_view_subscribers", "Dashboards that listen to the stream now.")
BYTES = Counter("suanli_view_sent_bytes", "Bytes of deltas and beats that were handed to subscribers.")
