"""`python -m suanli_centre`: the generated city in the real dashboard, for looking at it."""

import contextlib
import time

from suanli_centre import stage
from suanli_clusters import KWOK, SCHEDULER, Clusters, Options


def main() -> None:
    with Clusters("centre") as clusters:
        hub = clusters.start("hub", Options(without=frozenset({KWOK, SCHEDULER})))
        with stage.city(hub, clusters.folder) as shown, contextlib.suppress(KeyboardInterrupt):
            for account in shown.accounts.tokens:
                print(f"{account}: {shown.link(account, '/')}", flush=True)
            while True:
                time.sleep(3600)


if __name__ == "__main__":
    main()
