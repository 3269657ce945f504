// One cloud or one edge site: what it is, what it has by class, its nodes, what runs there.

import { useRoute } from "preact-iso";
import { useAddress } from "../address";
import { useFetched } from "../fetched";
import { bytes, cores, date, milliseconds, number, percent, units } from "../format";
import { accelerators, milli } from "../hardware";
import { clouds, nodesVersion, sites, workloadsVersion } from "../live";
import type { Capacity, Cloud, Node, Page, Site, Workload } from "../model";
import { ClassName, Conditions, Facts, Kubectl, Message, Panel, Ready } from "../parts/basics";
import { Loaded } from "../parts/loaded";
import { Rods } from "../parts/rods";
import { type Column, Table } from "../parts/table";
import { districtName } from "../places";
import { type Key, t, word } from "../text";
import { expiry, Fetched, nodeColumns, workloadColumns } from "./tables";

export function Place() {
  const { path, params } = useRoute();
  const name = params.name ?? "";
  const site = path.startsWith("/sites/");
  const row = site ? sites.value.find((each) => each.name === name) : clouds.value.find((each) => each.name === name);
  return <Loaded>{row ? <Shown row={row} target={`${site ? "EdgeSite" : "Cloud"}/${name}`} /> : <Missing name={name} site={site} />}</Loaded>;
}

function Missing({ name, site }: { name: string; site: boolean }) {
  return (
    <Message title={t("notFoundTitle")}>
      <p>{t("notFoundRow", { name })}</p>
      <a href={site ? "/sites" : "/clouds"}>{t(site ? "sites" : "clouds")}</a>
    </Message>
  );
}

function isCloud(row: Cloud | Site): row is Cloud {
  return "rttMicroseconds" in row;
}

function Shown({ row, target }: { row: Cloud | Site; target: string }) {
  return (
    <>
      <h1 class="named">
        {row.name} <Ready ready={row.ready} cordoned={row.cordoned} />
      </h1>
      <div class="two">
        <Panel>
          <Facts rows={isCloud(row) ? cloudFacts(row) : siteFacts(row)} />
          {row.ready && <Conditions rows={[row.ready]} />}
        </Panel>
        <Panel><Summary classes={row.classes} /></Panel>
      </div>
      <Panel title={t("class")}>
        {row.classes.length ? (
          <Table rows={row.classes} columns={classColumns()} caption={t("class")} id={(c) => c.key} />
        ) : (
          <Message title={t("emptyTitle")} />
        )}
      </Panel>
      <Panel title={t("nodes")}><NodesOf target={target} /></Panel>
      <Panel title={t("workloads")}><WorkloadsOf target={target} /></Panel>
      <Kubectl command={isCloud(row) ? `kubectl get cloud ${row.name} -o yaml` : `kubectl get edgesite ${row.name} -o yaml`} />
    </>
  );
}

function cloudFacts(row: Cloud): [Key, preact.ComponentChildren][] {
  return [
    ["tier", t(row.tier as Key)],
    ["district", districtName(row.district)],
    ["provider", row.provider],
    ["zone", row.zone],
    ["clearance", t(row.clearance as Key)],
    ["nodes", `${number(row.readyNodes)} / ${number(row.nodes)}`],
    ["version", row.version],
    ["rtt", milliseconds(row.rttMicroseconds)],
    ["credentialExpires", expiry(row.credentialExpires)],
    ["created", date(row.created)],
    ["local", row.local ? t("yes") : ""],
  ];
}

function siteFacts(row: Site): [Key, preact.ComponentChildren][] {
  return [
    ["tier", t("Edge")],
    ["district", districtName(row.district)],
    ["provider", row.provider],
    ["clearance", t(row.clearance as Key)],
    ["boxes", `${number(row.readyBoxes)} / ${number(row.boxes)}`],
    ["offlineMode", word(row.offlineMode)],
    ["certificateExpires", expiry(row.nextCertificateExpiry)],
    ["created", date(row.created)],
  ];
}

function add(rows: Capacity[], of: (row: Capacity) => number): number {
  return rows.reduce((sum, row) => sum + of(row), 0);
}

function Summary({ classes }: { classes: Capacity[] }) {
  const meters: [string, number, number, string, (value: number) => string][] = [
    [t("cpu"), add(classes, (c) => c.requested.cpu ?? 0), add(classes, (c) => c.allocatable.cpu ?? 0), "general", cores],
    [t("memory"), add(classes, (c) => c.requested.memory ?? 0), add(classes, (c) => c.allocatable.memory ?? 0), "general", bytes],
    [t("accelerator"), add(classes, (c) => accelerators(c.requested)), add(classes, (c) => accelerators(c.allocatable)), "gold", (n) => number(n)],
    [t("pods"), add(classes, (c) => c.requested.pods ?? 0), add(classes, (c) => c.allocatable.pods ?? 0), "other", (n) => number(n)],
  ];
  return (
    <ul class="meters">
      <li class="big-line"><b>{units(add(classes, (c) => milli(c.units)))}</b> {t("units")}</li>
      {meters.filter(([, , whole]) => whole > 0).map(([title, used, whole, hue, format]) => (
        <li key={title}>
          <span>{title}</span>
          <Rods used={used} whole={whole} hue={hue} count={40} label={title} />
          <span class="number">{format(used)} / {format(whole)} <b>{percent(used, whole)}</b></span>
        </li>
      ))}
    </ul>
  );
}

function classColumns(): Column<Capacity>[] {
  return [
    { title: t("class"), cell: (c) => <ClassName of={c.key} /> },
    { title: t("nodes"), cell: (c) => `${number(c.readyNodes)} / ${number(c.nodes)}`, numeric: true },
    { title: t("units"), cell: (c) => units(milli(c.units)), numeric: true, wide: true },
    { title: t("cpu"), cell: (c) => `${cores(c.requested.cpu ?? 0)} / ${cores(c.allocatable.cpu ?? 0)}`, numeric: true },
    { title: t("memory"), cell: (c) => `${bytes(c.requested.memory ?? 0)} / ${bytes(c.allocatable.memory ?? 0)}`, numeric: true, wide: true },
    { title: t("accelerator"), cell: (c) => accelerators(c.allocatable) ? `${number(accelerators(c.requested))} / ${number(accelerators(c.allocatable))}` : "", numeric: true },
    { title: t("largestFree"), cell: (c) => `${cores(c.largestFree.cpu ?? 0)} ${t("cores")} · ${bytes(c.largestFree.memory ?? 0)}`, numeric: true, wide: true },
  ];
}

function NodesOf({ target }: { target: string }) {
  const { get } = useAddress();
  const tail = `&limit=20&offset=${get("offset") || 0}${get("sort") ? `&sort=${get("sort")}` : ""}`;
  const { data, error, busy, again } = useFetched<Page<Node>>(`/nodes?target=${encodeURIComponent(target)}${tail}`, nodesVersion);
  return <Fetched data={data} error={error} busy={busy} again={again} columns={nodeColumns(false)} caption={t("nodes")} id={(row) => row.name} />;
}

function WorkloadsOf({ target }: { target: string }) {
  const { data, error, busy, again } = useFetched<Page<Workload>>(`/workloads?target=${encodeURIComponent(target)}&limit=20`, workloadsVersion);
  const columns = workloadColumns().map(({ sort: _, ...column }) => column);
  return <Fetched data={data} error={error} busy={busy} again={again} columns={columns} caption={t("workloads")} id={(row) => `${row.namespace}/${row.name}`} empty="emptyWorkloads" />;
}
