"""`python -m suanli_centre [--pictures FOLDER]`: the generated city in the real dashboard, to look at, or as
pictures.
"""

import argparse
import contextlib
import time
from pathlib import Path

from suanli_centre import pictures, stage
from suanli_clusters import KWOK, SCHEDULER, Clusters, Options


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m suanli_centre", description=__doc__)
    parser.add_argument("--pictures", type=Path, help="write docs/centre.md's pictures here, and end")
    folder: Path | None = parser.parse_args().pictures
    with Clusters("centre") as clusters:
        hub = clusters.start("hub", Options(without=frozenset({KWOK, SCHEDULER})))
        with stage.city(hub, clusters.folder, past=True) as shown, contextlib.suppress(KeyboardInterrupt):
            if folder:
                pictures.take(shown, folder)
            else:
                _stay(shown)


def _stay(shown: stage.City) -> None:
    for account in shown.accounts.tokens:
        print(f"{account}: {shown.link(account, '/')}", flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
