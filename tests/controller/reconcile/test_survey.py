"""Which Clouds `explain` looks into: those that the controller reads."""

from typing import Any

import msgspec
import pytest

from suanli_controller.api import cloud
from suanli_controller.reconcile import survey


def ready(status: str, reason: str) -> list[dict[str, Any]]:
    return [{"type": "Ready", "status": status, "reason": reason, "message": "why"}]


@pytest.mark.parametrize(
    ("conditions", "refused"),
    [
        ([], False),
        (ready("True", "Connected"), False),
        (ready("Unknown", "Unreachable"), False),
        (ready("False", "Forbidden"), False),
        (ready("False", "InvalidKubeconfig"), True),
        (ready("False", "ClaimedByOtherHub"), True),
        (ready("False", "VersionTooOld"), True),
    ],
)
def test_what_the_controller_refused_is_not_read_and_told(conditions: list[dict[str, Any]], refused: bool) -> None:
    """What is there is another Cloud's, or another hub's: it would be counted twice."""
    whole = {"metadata": {"name": "a"}, "spec": {"tier": "District"}, "status": {"conditions": conditions}}
    found = survey.Survey()
    assert survey.refuses(found, msgspec.convert(whole, cloud.Cloud)) is refused
    told = [f"Cloud/a is refused, and nothing is read there: {conditions[0]['reason']}: why"] if refused else []
    assert list(found.builder.inventory.warnings) == told
