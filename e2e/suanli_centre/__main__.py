"""`python -m suanli_centre`: the generated city in the real dashboard, for looking at it."""

import time

from suanli_centre import stage
from suanli_clusters import Clusters, Options


def main() -> None:
    with Clusters("centre") as clusters:
        hub = clusters.start("hub", Options(heartbeat_factor=50))
        accounts = stage.accounts(hub)
        leader = stage.Leader(hub.kubeconfig, stage.fill_city)
        dashboard = stage.Dashboard(accounts.dashboard, clusters.folder)
        leader.start()
        try:
            dashboard.start()
            for name, token in accounts.tokens.items():
                print(f"{name}: {dashboard.url}/#token={token}", flush=True)
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print("stopping")
        finally:
            dashboard.stop()
            leader.stop()


if __name__ == "__main__":
    main()
