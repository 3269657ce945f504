"""What the dashboard counts of itself, for Prometheus. Labels are routes, answers and words of ours, never
people.
"""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("suanli_dashboard_requests", "HTTP requests by route and answer.", ["route", "code"])
REQUEST_SECONDS = Histogram(
    "suanli_dashboard_request_duration_seconds",
    "Time from a request to the first byte of its answer.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
SIGN_INS = Counter("suanli_dashboard_sign_ins", "Attempts to sign in, by outcome.", ["outcome"])
CLIENTS = Gauge("suanli_dashboard_live_clients", "Browsers that follow live updates now.")
LIVE_FRAMES = Counter("suanli_dashboard_live_frames", "Frames that were encoded for live clients.")
LIVE_CUT = Counter(
    "suanli_dashboard_live_cut_off", "Live clients that were cut off because they could not keep up."
)
CONNECTED = Gauge("suanli_dashboard_view_connected", "1 while the leader's stream is followed, else 0.")
FRAMES = Counter("suanli_dashboard_view_frames", "Frames that came from the leader, by kind.", ["kind"])
