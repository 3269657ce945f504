"""The termination message of a dead container: from its file, or from the end of its log."""

from __future__ import annotations

from pathlib import Path

from suanli_agent.core import observed
from suanli_agent.pods import logs

FILE_LIMIT = 4096
LOG_LIMIT = 2048
LOG_LINES = 80
EXEC_FAILURE_CODES = (1, 126, 127, 128, 255)


def read(record: observed.ContainerRecord, path: Path) -> str:
    """What the container left; empty when it left nothing or nothing can be read."""
    message = _head(path) or _exec_failure(record)
    fallback = record.termination_message_policy == "FallbackToLogsOnError" and record.exit_code != 0
    if message or not fallback:
        return message
    return _log_end(Path(record.log_path), LOG_LINES)


def _exec_failure(record: observed.ContainerRecord) -> str:
    """Runc learns too late that a program cannot be executed to say so itself: it leaves a line in the log."""
    if record.exit_code not in EXEC_FAILURE_CODES or not record.log_path:
        return ""
    last = _log_end(Path(record.log_path), 1).strip()
    return last if last.endswith("exec format error") else ""


def _head(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(FILE_LIMIT).decode(errors="replace")
    except OSError:
        return ""


def _log_end(path: Path, count: int) -> str:
    try:
        lines = logs.last_lines(path, count)
    except OSError:
        return ""
    return b"".join(logs.parsed(line)[1] for line in lines)[-LOG_LIMIT:].decode(errors="replace")
