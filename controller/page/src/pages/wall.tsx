// The wall screen: everything at one glance, 1920x1080 to 4K, without scrolling. It is dark unless the address says light.

import { useEffect } from "preact/hooks";
import { useAddress } from "../address";
import { clockTime, duration, longDate } from "../format";
import { sum } from "../hardware";
import { age, alerts, allowed, cells, centre, now, stale } from "../live";
import { AlertList } from "../parts/alert-list";
import { Message, Panel } from "../parts/basics";
import { DistrictMap, DistrictTreemap, hasMap } from "../parts/districts";
import { HistoryChart } from "../parts/history";
import { Icon, Mark } from "../parts/icons";
import { Fresh, Loaded } from "../parts/loaded";
import { named, t } from "../text";
import { forced } from "../theme";
import { Accelerators, Colours, Families, Hero, Strata } from "./overview";

const SHOWN_ALERTS = 3;

export function Wall() {
  const shade = useAddress().get("theme") === "light" ? "light" : "dark";
  useEffect(() => {
    document.documentElement.classList.add("on-wall");
    forced.value = shade;
    return () => {
      document.documentElement.classList.remove("on-wall");
      forced.value = "";
    };
  }, [shade]);
  return (
    <div class={`wall ${stale.value ? "stale" : ""}`}>
      <header>
        <Mark />
        <h1>{named(centre.value?.displayName, t("brandTail"))}</h1>
        {stale.value ? (
          <p class="banner" role="status">{t(stale.value === "link" ? "lostLink" : "lostController", { age: duration(age.value) })}</p>
        ) : (
          <Fresh />
        )}
        <p class="date">{longDate(now.value)}</p>
        <p class="time">{clockTime(now.value)}</p>
        <nav>
          <button type="button" class="quiet" onClick={() => void document.documentElement.requestFullscreen?.()} aria-label={t("fullScreen")}>
            <Icon name="wall" />
          </button>
          <a class="quiet button" href="/" aria-label={t("leaveWall")}><Icon name="close" /></a>
        </nav>
      </header>
      <main id="main">
        <Loaded>{cells.value.length ? <Board /> : <Message title={t("emptyTitle")}>{t("emptyCapacity")}</Message>}</Loaded>
      </main>
    </div>
  );
}

function Board() {
  return (
    <>
      <Hero whole={sum(cells.value)} rods={48} />
      <Panel class="districts" title={t("byDistrict")}>
        {hasMap() ? <DistrictMap width={430} height={460} /> : <DistrictTreemap />}
      </Panel>
      <div class="column">
        <Panel class="tiers" title={t("byTier")} note={centre.value && t("unitTable", { version: centre.value.tableVersion })} tools={<Colours />}><Strata /></Panel>
        {allowed.value?.totals && <Panel class="over-time" title={t("overTime")} note={t("lastDay")}><HistoryChart seconds={86_400} /></Panel>}
      </div>
      <div class="column">
        <Panel class="families" title={t("byFamily")}><Families most={6} /></Panel>
        <Panel class="accelerators" title={t("byAccelerator")}><Accelerators most={3} /></Panel>
        <Panel class="alerts" title={t("alerts")} note={String(alerts.value.length)}><AlertList rows={alerts.value.slice(0, SHOWN_ALERTS)} /></Panel>
      </div>
    </>
  );
}
