// What the city has, what is used and what is left.

import { useState } from "preact/hooks";
import { useLocation } from "preact-iso";
import { cores, number, percent, permille, pflops, units } from "../format";
import { accelerators, grouped, hue, milli, parts, pretty, type Sum, sum } from "../hardware";
import { alerts, allowed, cells, centre, counts } from "../live";
import type { Total } from "../model";
import { AlertList } from "../parts/alert-list";
import { Kubectl, Message, Panel } from "../parts/basics";
import { DistrictMap, DistrictTreemap, hasMap } from "../parts/districts";
import { HistoryChart, SPANS } from "../parts/history";
import { Loaded } from "../parts/loaded";
import { Rods } from "../parts/rods";
import { type Key, t } from "../text";

export const TIERS = ["Municipal", "District", "Edge"];

export function Overview() {
  return (
    <Loaded>
      <h1 class="hidden">{t("overview")}</h1>
      {cells.value.length === 0 ? <Message title={t("emptyTitle")}>{t("emptyCapacity")}</Message> : <Filled />}
      <Kubectl command={KUBECTL} />
    </Loaded>
  );
}

const KUBECTL = "kubectl get computecentre centre -o yaml && kubectl get clouds,edgesites -o wide";

function Filled() {
  const whole = sum(cells.value);
  return (
    <div class="overview">
      <Hero whole={whole} />
      <Panel class="tiers" title={t("byTier")} note={centre.value && t("unitTable", { version: centre.value.tableVersion })} tools={<Colours />}>
        <Strata />
      </Panel>
      <Over />
      <Districts />
      <Panel class="families" title={t("byFamily")}><Families /></Panel>
      <Panel class="accelerators" title={t("byAccelerator")}><Accelerators /></Panel>
      <Panel class="alerts" title={t("alerts")} tools={<a href="/alerts">{t("all")} {alerts.value.length}</a>}>
        <AlertList rows={alerts.value.slice(0, 6)} />
      </Panel>
    </div>
  );
}

/** Whether there is a table to count units by; without one cores and accelerators are shown. */
export function counted(whole: Sum): boolean {
  return milli(whole.capacityUnits) > 0;
}

export function Hero({ whole, rods = 60 }: { whole: Sum; rods?: number }) {
  return (
    <section class="hero" aria-label={t("totalCompute")}>
      <General whole={whole} rods={rods} />
      <Intelligent whole={whole} rods={rods} />
      <Domestic whole={whole} />
      <Counters />
    </section>
  );
}

function General({ whole, rods }: { whole: Sum; rods: number }) {
  const inUnits = counted(whole);
  const [total, used] = inUnits
    ? [whole.units.generalMilli, whole.requestedUnits.generalMilli]
    : [whole.allocatable.cpu ?? 0, whole.requested.cpu ?? 0];
  return (
    <div class="figure">
      <h2>{t("general")}</h2>
      <p class="big"><b>{inUnits ? units(total) : cores(total)}</b> <span>{t(inUnits ? "units" : "cores")}</span></p>
      <Rods used={used} whole={total} hue="general" count={rods} label={t("general")} />
      <p class="line">
        <span><b>{percent(used, total)}</b> {t("used")}</span>
        <span><b>{inUnits ? units(total - used) : cores(total - used)}</b> {t("free")}</span>
        <span><b>{cores(whole.allocatable.cpu ?? 0)}</b> {t("cores")}</span>
      </p>
    </div>
  );
}

function Intelligent({ whole, rods }: { whole: Sum; rods: number }) {
  const cards = accelerators(whole.allocatable);
  const inUnits = counted(whole) && whole.capacityUnits.intelligentMilli > 0;
  const [total, used] = inUnits
    ? [whole.units.intelligentMilli, whole.requestedUnits.intelligentMilli]
    : [cards, accelerators(whole.requested)];
  return (
    <div class="figure">
      <h2>{t("intelligent")}</h2>
      <p class="big"><b>{inUnits ? units(total) : number(total)}</b> <span>{t(inUnits ? "units" : "accelerators")}</span></p>
      <Rods used={used} whole={total} hue="gold" count={rods} label={t("intelligent")} />
      <p class="line">
        <span><b>{percent(used, total)}</b> {t("used")}</span>
        <span><b>{pflops(whole.units.gigaflopsFp16)}</b> {t("pflops")}</span>
        <span><b>{number(cards)}</b> {t("accelerators")}</span>
      </p>
    </div>
  );
}

function Domestic({ whole }: { whole: Sum }) {
  const installed = milli(whole.capacityUnits);
  const share = installed ? (1000 * whole.domesticMilli) / installed : 0;
  return (
    <div class="figure domestic">
      <h2>{t("domesticRate")}</h2>
      <p class="big"><b>{installed ? permille(share) : t("never")}</b></p>
      <Rods used={whole.domesticMilli} whole={installed} hue="red" count={24} label={t("domesticRate")} />
      <p class="line">{t(installed ? "domesticHelp" : "noUnits")}</p>
    </div>
  );
}

export function Counters() {
  const c = counts.value;
  if (!c) return null;
  const may = allowed.value;
  const rows: [Key, number, number, string | false | undefined][] = [
    ["clouds", c.readyClouds, c.clouds, may?.clouds && "/clouds"],
    ["sites", c.readySites, c.sites, may?.sites && "/sites"],
    ["nodes", c.readyNodes, c.nodes, (may?.clouds || may?.sites) && "/nodes"],
    ["replicas", c.readyReplicas, c.replicas, (may?.workloads || !!may?.namespaces.length) && "/workloads"],
  ];
  return (
    <ul class="counters">
      {rows.map(([key, ready, all, href]) => (
        <li key={key}>
          <Linked href={href}>
            <b>{number(ready)}<small> / {number(all)}</small>{ready < all && <em> −{number(all - ready)}</em>}</b>
            <span>{t(key)}</span>
          </Linked>
        </li>
      ))}
      {c.unplacedWorkloads > 0 && (
        <li class="short">
          <Linked href={may?.totalsOnly ? false : "/workloads?unplaced=true"}>
            <b>{number(c.unplacedWorkloads)}</b>
            <span>{t("unplaced")} · {t("workloads")}</span>
          </Linked>
        </li>
      )}
    </ul>
  );
}

function Linked({ href, children }: { href: string | false | undefined; children: preact.ComponentChildren }) {
  return href ? <a href={href}>{children}</a> : <div>{children}</div>;
}

/** A band for each tier: a segment for each processor, as wide as its share, solid as far as it is used. */
export function Strata() {
  const tiers = grouped(cells.value, (cell) => cell.key.tier ?? "");
  const inUnits = counted(sum(cells.value));
  const size = (of: Sum) => (inUnits ? milli(of.units) : (of.allocatable.cpu ?? 0));
  const load = (of: Sum) => (inUnits ? milli(of.requestedUnits) : (of.requested.cpu ?? 0));
  const city = size(sum(cells.value));
  return (
    <ul class="strata">
      {TIERS.filter((tier) => tiers.has(tier)).map((tier) => {
        const rows = tiers.get(tier) ?? [];
        const all = sum(rows);
        const segments = [...grouped(rows, segmentOf)].map(([key, group]) => ({ key, all: sum(group) }));
        segments.sort((a, b) => size(b.all) - size(a.all));
        return (
          <li key={tier}>
            <h3>{t(tier as Key)} <small>{percent(size(all), city)}</small></h3>
            <p>
              <b>{inUnits ? units(size(all)) : cores(size(all))}</b> {t(inUnits ? "unitsShort" : "cores")}
              <span>{percent(load(all), size(all))} {t("used")}</span>
            </p>
            <div class="band">
              {segments.map((segment) => (
                <a
                  key={segment.key}
                  class={`segment ${hue(parts(segment.key).architecture)} ${segment.key.endsWith("+") ? "boosted" : ""}`}
                  href={allowed.value?.totalsOnly ? undefined : `/nodes?tier=${tier}&family=${parts(segment.key).family}`}
                  style={{ flexGrow: String(Math.max(size(segment.all), size(all) * 0.015)) }}
                  title={segmentTitle(segment.key, segment.all, size, load)}
                >
                  <i style={{ width: percentWidth(load(segment.all), size(segment.all)) }} />
                  <span>{size(segment.all) > size(all) * LABELLED ? pretty(parts(segment.key).family) : ""}</span>
                </a>
              ))}
            </div>
          </li>
        );
      })}
    </ul>
  );
}

/** What the colours of the bands say. */
export function Colours() {
  const classes = cells.value.map((cell) => parts(cell.key.class ?? ""));
  const known = ["arm64", "amd64", "loong64"].filter((name) => classes.some((each) => each.architecture === name));
  return (
    <p class="legend">
      {known.map((name) => <span key={name} class={name}><i />{name}</span>)}
      {classes.some((each) => each.accelerator !== "none") && <span class="gold"><i />{t("withAccelerators")}</span>}
    </p>
  );
}

const LABELLED = 0.13; // of a band: a narrower segment has no room for its name

function segmentOf(cell: Total): string {
  const { architecture, family, accelerator } = parts(cell.key.class ?? "");
  return `${architecture}.${family}.x.${accelerator === "none" ? "" : "+"}`;
}

function segmentTitle(key: string, all: Sum, size: (of: Sum) => number, load: (of: Sum) => number): string {
  const { architecture, family } = parts(key);
  return `${architecture} · ${pretty(family)}: ${units(size(all))} ${t("unitsShort")}, ${percent(load(all), size(all))} ${t("used")}`;
}

export function percentWidth(part: number, whole: number): string {
  return `${whole > 0 ? Math.min(100, (100 * part) / whole) : 0}%`;
}

export function Families({ most = 8 }: { most?: number }) {
  const groups = [...grouped(cells.value, (cell) => {
    const { architecture, family } = parts(cell.key.class ?? "");
    return `${architecture}.${family}.x.none`;
  })].map(([key, rows]) => ({ key, all: sum(rows) }));
  groups.sort((a, b) => (b.all.allocatable.cpu ?? 0) - (a.all.allocatable.cpu ?? 0));
  return (
    <ul class="bars">
      {groups.slice(0, most).map(({ key, all }) => (
        <li key={key}>
          <a href={allowed.value?.totalsOnly ? undefined : `/nodes?family=${parts(key).family}`}>
            <span><b class={`arch ${hue(parts(key).architecture)}`}>{parts(key).architecture}</b> {pretty(parts(key).family)}</span>
            <Rods used={all.requested.cpu ?? 0} whole={all.allocatable.cpu ?? 0} hue={hue(parts(key).architecture)} count={30} label={pretty(parts(key).family)} />
            <span class="share">{percent(all.requested.cpu ?? 0, all.allocatable.cpu ?? 0)}</span>
            <span class="number">{cores(all.allocatable.cpu ?? 0)} <small>{t("cores")}</small></span>
          </a>
        </li>
      ))}
    </ul>
  );
}

export function Accelerators({ most = 6 }: { most?: number }) {
  const groups = [...grouped(cells.value, (cell) => parts(cell.key.class ?? "").accelerator)]
    .filter(([key]) => key !== "none")
    .map(([key, rows]) => ({ key, all: sum(rows) }));
  groups.sort((a, b) => b.all.units.gigaflopsFp16 - a.all.units.gigaflopsFp16);
  if (!groups.length) return <Message title={t("emptyTitle")} />;
  return (
    <ul class="bars">
      {groups.slice(0, most).map(({ key, all }) => {
        const cards = accelerators(all.allocatable);
        return (
          <li key={key}>
            <a href={allowed.value?.totalsOnly ? undefined : `/nodes?accelerator=${encodeURIComponent(key)}`}>
              <span>{pretty(key)}</span>
              <Rods used={accelerators(all.requested)} whole={cards} hue="gold" count={30} label={pretty(key)} />
              <span class="share">{percent(accelerators(all.requested), cards)}</span>
              <span class="number">{number(accelerators(all.requested))} / {number(cards)}</span>
            </a>
          </li>
        );
      })}
    </ul>
  );
}

function Over() {
  const [span, setSpan] = useState(86_400);
  if (!allowed.value?.totals) return null;
  return (
    <Panel
      class="over-time"
      title={t("overTime")}
      tools={
        <div class="choice" role="group" aria-label={t("overTime")}>
          {SPANS.map(([seconds, key]) => (
            <button key={seconds} type="button" aria-pressed={seconds === span} onClick={() => setSpan(seconds)}>{t(key)}</button>
          ))}
        </div>
      }
    >
      <HistoryChart seconds={span} />
    </Panel>
  );
}

function Districts() {
  const { route } = useLocation();
  const mapped = hasMap();
  const [asMap, setAsMap] = useState(true);
  const pick = (code: string) => (allowed.value?.clouds ? route("/nodes?district=" + encodeURIComponent(code)) : undefined);
  return (
    <Panel
      class="districts"
      title={t("byDistrict")}
      tools={
        mapped && (
          <div class="choice" role="group" aria-label={t("byDistrict")}>
            <button type="button" aria-pressed={asMap} onClick={() => setAsMap(true)}>{t("map")}</button>
            <button type="button" aria-pressed={!asMap} onClick={() => setAsMap(false)}>{t("treemap")}</button>
          </div>
        )
      }
    >
      {mapped && asMap ? <DistrictMap onPick={pick} /> : <DistrictTreemap onPick={pick} />}
    </Panel>
  );
}

