"""What is measured, in which unit, and what others published for it.

Karmada 1.18.2 was measured on 2 cores, Debian 12, Kubernetes 1.36.3 under kwok 0.8.0, with the stages and the
workload of this benchmark: a hub of etcd, API server and controller manager, three clouds of 20 simulated nodes.
Where it was run with several settings, the span of its figures is given; the ratio is taken against the better end.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    key: str
    title: str
    unit: str
    karmada: tuple[float, float]
    """The better and the worse of its figures; equal where there is one."""

    target: float
    more_is_better: bool = False


FIGURES = (
    Figure("cpu", "controller CPU per workload", "ms", (80, 145), 6),
    Figure("writes", "hub writes per workload, the user's own not counted", "", (20, 30), 4),
    Figure(
        "rate",
        "workloads per second until all objects are in the clouds",
        "/s",
        (3.5, 2.1),
        35,
        more_is_better=True,
    ),
    Figure("first_p50", "1 per second: POST to the object in a cloud, p50", "ms", (187, 187), 60),
    Figure("first_p99", "1 per second: POST to the object in a cloud, p99", "ms", (1530, 1530), 150),
    Figure("change_p50", "change of replicas to the clouds, p50", "ms", (271, 303), 40),
    Figure("change_p99", "change of replicas to the clouds, p99", "ms", (626, 907), 120),
    Figure("decision", "one decision, a cloud of 5,000 nodes", "ms", (500, 200_000), 100),
    Figure("pending", "arm64 only, 100 replicas: stuck Pending", "pods", (50, 50), 0),
)


def table(measured: dict[str, float]) -> str:
    """Every measured figure beside the published one, their ratio and the target."""
    rows = [f"{'figure':62} {'ours':>9} {'Karmada':>14} {'ratio':>8} {'target':>8}"]
    rows += [_row(figure, measured[figure.key]) for figure in FIGURES if figure.key in measured]
    return "\n".join(rows)


def _row(figure: Figure, ours: float) -> str:
    better, worse = figure.karmada
    theirs = f"{better:g}" if better == worse else f"{better:g}..{worse:g}"
    title = f"{figure.title} [{figure.unit}]" if figure.unit else figure.title
    return f"{title:62} {ours:9.4g} {theirs:>14} {_ratio(figure, ours):>8} {figure.target:8g}"


def _ratio(figure: Figure, ours: float) -> str:
    """How many times better than the better published figure; below 1x is worse."""
    theirs = figure.karmada[0]
    if not ours:
        return "-" if not theirs else "all"
    return f"{ours / theirs if figure.more_is_better else theirs / ours:.1f}x"
