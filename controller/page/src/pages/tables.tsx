// The tables: clouds, sites, nodes, workloads, algorithms, alerts.

import { useAddress } from "../address";
import { useFetched } from "../fetched";
import { bytes, cores, date, duration, milliseconds, number, percent, units } from "../format";
import { accelerators, milli, parts, pretty } from "../hardware";
import { alerts, algorithms, cells, clouds, nodesVersion, now, sites, workloadsVersion } from "../live";
import type { Algorithm, Capacity, Cloud, Node, Page, Resources, Site, Workload } from "../model";
import { AlertList } from "../parts/alert-list";
import { ClassName, Failed, Kubectl, Message, Pill, Ready, Skeleton } from "../parts/basics";
import { type Choice, Filters, YES_NO } from "../parts/filters";
import { Icon } from "../parts/icons";
import { Loaded } from "../parts/loaded";
import { Rods } from "../parts/rods";
import { type Column, Table } from "../parts/table";
import { bareName, districtName, linkTo } from "../places";
import { type Key, named, t, word } from "../text";

const LIMIT = 50;

function Title({ of, count }: { of: Key; count?: number }) {
  return <h1>{t(of)} {count !== undefined && <small>{number(count)}</small>}</h1>;
}

function Use({ used, whole, hue, label }: { used: number; whole: number; hue: string; label: string }) {
  return (
    <span class="use">
      <Rods used={used} whole={whole} hue={hue} count={16} label={label} />
      <small>{percent(used, whole)}</small>
    </span>
  );
}

function total(classes: Capacity[], of: (row: Capacity) => number): number {
  return classes.reduce((sum, row) => sum + of(row), 0);
}

interface PlaceRow {
  classes: Capacity[];
  district: string;
  name: string;
}

function placeUnits(row: PlaceRow): number {
  return total(row.classes, (c) => milli(c.units));
}

function placeUse(row: PlaceRow): { used: number; whole: number } {
  const whole = placeUnits(row);
  if (whole) return { used: total(row.classes, (c) => milli(c.requestedUnits)), whole };
  return { used: total(row.classes, (c) => c.requested.cpu ?? 0), whole: total(row.classes, (c) => c.allocatable.cpu ?? 0) };
}

function useColumn<Row extends PlaceRow>(): Column<Row> {
  return {
    title: t("usedShare"),
    cell: (row) => <Use {...placeUse(row)} hue="general" label={row.name} />,
    sort: "used",
    value: (row) => placeUse(row).used / (placeUse(row).whole || 1),
  };
}

function kinds(row: PlaceRow) {
  return (
    <span class="kinds">
      {row.classes.slice(0, 3).map((c) => <ClassName key={c.key} of={c.key} />)}
      {row.classes.length > 3 && <small>{t("more", { count: row.classes.length - 3 })}</small>}
    </span>
  );
}

function distinct(values: string[]): string[] {
  return [...new Set(values.filter(Boolean))].sort();
}

function districtChoice(codes: string[]): Choice {
  return { name: "district", title: "district", options: distinct(codes).map((code) => [code, districtName(code)]) };
}

function textMatches(text: string, ...names: string[]): boolean {
  return names.some((name) => name.toLowerCase().includes(text.toLowerCase()));
}

// --- clouds

export function Clouds() {
  const { get } = useAddress();
  const wanted = (row: Cloud) =>
    textMatches(get("q"), row.name) &&
    (!get("tier") || row.tier === get("tier")) &&
    (!get("district") || row.district === get("district")) &&
    (!get("provider") || row.provider === get("provider")) &&
    (!get("ready") || String(row.ready?.status === "True") === get("ready"));
  const rows = clouds.value.filter(wanted);
  return (
    <Loaded>
      <Title of="clouds" count={rows.length} />
      <Filters
        choices={[
          { name: "tier", title: "tier", options: distinct(clouds.value.map((c) => c.tier)).map((v) => [v, t(v as Key)]) },
          districtChoice(clouds.value.map((c) => c.district)),
          { name: "provider", title: "provider", options: distinct(clouds.value.map((c) => c.provider)).map((v) => [v, v]) },
          { name: "ready", title: "ready", options: YES_NO() },
        ]}
      />
      <Rows rows={rows} all={clouds.value.length} empty="emptyClouds" columns={cloudColumns()} caption={t("clouds")} id={(row) => row.name} />
      <Kubectl command="kubectl get clouds -o wide" />
    </Loaded>
  );
}

function cloudColumns(): Column<Cloud>[] {
  return [
    { title: t("name"), cell: (row) => <a href={linkTo("Cloud/" + row.name)}>{row.name}</a>, sort: "name", value: (row) => row.name },
    { title: t("state"), cell: (row) => <Ready ready={row.ready} cordoned={row.cordoned} />, sort: "ready", value: (row) => row.ready?.status ?? "" },
    { title: t("tier"), cell: (row) => t((row.tier + "Short") as Key), sort: "tier", value: (row) => row.tier, wide: true },
    { title: t("district"), cell: (row) => districtName(row.district), sort: "district", value: (row) => row.district, wide: true },
    { title: t("provider"), cell: (row) => row.provider, sort: "provider", value: (row) => row.provider, wide: true },
    { title: t("nodes"), cell: (row) => `${number(row.readyNodes)} / ${number(row.nodes)}`, sort: "nodes", value: (row) => row.nodes, numeric: true },
    { title: t("units"), cell: (row) => units(placeUnits(row)), sort: "units", value: placeUnits, numeric: true },
    useColumn(),
    { title: t("class"), cell: kinds, wide: true },
    { title: t("rtt"), cell: (row) => milliseconds(row.rttMicroseconds), sort: "rtt", value: (row) => row.rttMicroseconds ?? 0, numeric: true, wide: true },
  ];
}

// --- sites

export function Sites() {
  const { get } = useAddress();
  const wanted = (row: Site) =>
    textMatches(get("q"), row.name) &&
    (!get("district") || row.district === get("district")) &&
    (!get("ready") || String(row.ready?.status === "True") === get("ready"));
  const rows = sites.value.filter(wanted);
  return (
    <Loaded>
      <Title of="sites" count={rows.length} />
      <Filters
        choices={[districtChoice(sites.value.map((s) => s.district)), { name: "ready", title: "ready", options: YES_NO() }]}
      />
      <Rows rows={rows} all={sites.value.length} empty="emptySites" columns={siteColumns()} caption={t("sites")} id={(row) => row.name} />
      <Kubectl command="kubectl get edgesites -o wide" />
    </Loaded>
  );
}

function siteColumns(): Column<Site>[] {
  return [
    { title: t("name"), cell: (row) => <a href={linkTo("EdgeSite/" + row.name)}>{row.name}</a>, sort: "name", value: (row) => row.name },
    { title: t("state"), cell: (row) => <Ready ready={row.ready} cordoned={row.cordoned} />, sort: "ready", value: (row) => row.ready?.status ?? "" },
    { title: t("district"), cell: (row) => districtName(row.district), sort: "district", value: (row) => row.district, wide: true },
    { title: t("boxes"), cell: (row) => `${number(row.readyBoxes)} / ${number(row.boxes)}`, sort: "boxes", value: (row) => row.boxes, numeric: true },
    { title: t("units"), cell: (row) => units(placeUnits(row)), sort: "units", value: placeUnits, numeric: true, wide: true },
    useColumn(),
    { title: t("class"), cell: kinds, wide: true },
    { title: t("offlineMode"), cell: (row) => word(row.offlineMode), wide: true },
    { title: t("certificateExpires"), cell: (row) => expiry(row.nextCertificateExpiry), sort: "expires", value: (row) => row.nextCertificateExpiry ?? 0, wide: true },
  ];
}

export function expiry(at: number | null) {
  if (!at) return t("never");
  return <span title={date(at)}>{duration(at - now.value)}</span>;
}

// --- nodes

const NODE_FILTERS = ["q", "target", "tier", "district", "architecture", "family", "os", "accelerator", "class", "ready", "cordoned", "sort", "offset"];

function question(get: (name: string) => string, names: string[]): string {
  const params = new URLSearchParams({ limit: String(LIMIT) });
  for (const name of names) if (get(name)) params.set(name, get(name));
  return params.toString();
}

export function Nodes() {
  const { get, query } = useAddress();
  const { data, error, busy, again } = useFetched<Page<Node>>("/nodes?" + question(get, NODE_FILTERS), nodesVersion);
  const classes = distinct(cells.value.map((cell) => cell.key.class ?? "")).map(parts);
  const targets = [...clouds.value.map((c) => "Cloud/" + c.name), ...sites.value.map((s) => "EdgeSite/" + s.name)];
  return (
    <Loaded>
      <Title of="nodes" {...(data ? { count: data.total } : {})} />
      <Filters
        choices={[
          { name: "target", title: "place", options: targets.map((v) => [v, bareName(v)]) },
          { name: "tier", title: "tier", options: distinct(cells.value.map((c) => c.key.tier ?? "")).map((v) => [v, t(v as Key)]) },
          districtChoice(cells.value.map((c) => c.key.district ?? "")),
          { name: "architecture", title: "architecture", options: distinct(classes.map((c) => c.architecture)).map((v) => [v, v]) },
          { name: "family", title: "family", options: distinct(classes.map((c) => c.family)).map((v) => [v, pretty(v)]) },
          { name: "os", title: "os", options: distinct(classes.map((c) => c.os)).map((v) => [v, pretty(v)]) },
          { name: "accelerator", title: "accelerator", options: distinct(classes.map((c) => c.accelerator)).map((v) => [v, pretty(v)]) },
          { name: "ready", title: "ready", options: YES_NO() },
        ]}
      >
        <a class="button" href={"/api/v1/export/nodes.csv" + (query ? "?" + withoutPaging(query) : "")} download>
          <Icon name="download" /> {t("exportCsv")}
        </a>
      </Filters>
      <Fetched data={data} error={error} busy={busy} again={again} columns={nodeColumns()} caption={t("nodes")} id={(row) => `${row.target}/${row.name}`} />
      <Kubectl command={nodesCommand(get)} />
    </Loaded>
  );
}

function withoutPaging(query: string): string {
  const params = new URLSearchParams(query);
  for (const name of ["sort", "offset", "lang", "theme"]) params.delete(name);
  return params.toString();
}

function nodesCommand(get: (name: string) => string): string {
  const target = get("target");
  const context = target.startsWith("Cloud/") ? ` --context ${bareName(target)}` : "";
  const labels = [
    get("architecture") && `kubernetes.io/arch=${get("architecture")}`,
    get("family") && `suanli.io/cpu-family=${get("family")}`,
    target.startsWith("EdgeSite/") && `suanli.node-restriction.kubernetes.io/site=${bareName(target)}`,
  ].filter(Boolean);
  return `kubectl${context} get nodes${labels.length ? ` -l ${labels.join(",")}` : ""} -L kubernetes.io/arch,suanli.io/cpu-family,suanli.io/os`;
}

export function nodeColumns(withTarget = true): Column<Node>[] {
  const columns: Column<Node>[] = [
    { title: t("name"), cell: (row) => <b>{row.name}</b>, sort: "name" },
    { title: t("place"), cell: (row) => <a href={linkTo(row.target)}>{bareName(row.target)}</a>, sort: "target", wide: true },
    { title: t("state"), cell: (row) => <Ready ready={row.ready} cordoned={row.cordoned} />, sort: "ready" },
    { title: t("class"), cell: (row) => <ClassName of={row.classKey} />, sort: "class" },
    { title: t("isaLevel"), cell: (row) => row.isaLevel || t("never"), wide: true },
    { title: t("pageSize"), cell: (row) => (row.pageSizeKib ? `${row.pageSizeKib} KiB` : t("never")), numeric: true, wide: true },
    { title: t("cpu"), cell: (row) => resource(row, "cpu", cores, "general"), sort: "cpuFree", numeric: true },
    { title: t("memory"), cell: (row) => resource(row, "memory", bytes, "general"), sort: "memoryFree", numeric: true, wide: true },
    { title: t("accelerator"), cell: accelerated, sort: "accelerators", numeric: true, wide: true },
  ];
  return withTarget ? columns : columns.filter((column) => column.title !== t("place"));
}

function resource(row: Node, name: string, format: (value: number) => string, hue: string) {
  const used = row.requested[name] ?? 0;
  const whole = row.allocatable[name] ?? 0;
  return (
    <span class="use wide-use">
      <small>{format(used)} / {format(whole)}</small>
      <Rods used={used} whole={whole} hue={hue} count={16} label={`${row.name} ${name}`} />
    </span>
  );
}

function accelerated(row: Node) {
  const whole = accelerators(row.allocatable);
  if (!whole) return "";
  const used = accelerators(row.requested as Resources);
  return (
    <span class="use wide-use">
      <small>{number(used)} / {number(whole)}</small>
      <Rods used={used} whole={whole} hue="gold" count={Math.min(Math.max(whole, 1), 16)} label={`${row.name} ${t("accelerators")}`} />
    </span>
  );
}

// --- workloads

export function Workloads() {
  const { get, query } = useAddress();
  const names = ["q", "namespace", "target", "algorithm", "unplaced", "sort", "offset"];
  const { data, error, busy, again } = useFetched<Page<Workload>>("/workloads?" + question(get, names), workloadsVersion);
  const targets = [...clouds.value.map((c) => "Cloud/" + c.name), ...sites.value.map((s) => "EdgeSite/" + s.name)];
  return (
    <Loaded>
      <Title of="workloads" {...(data ? { count: data.total } : {})} />
      <Filters
        choices={[
          { name: "target", title: "place", options: targets.map((v) => [v, bareName(v)]) },
          { name: "algorithm", title: "algorithm", options: algorithms.value.map((a) => [a.name, named(a.displayName, a.name)]) },
          { name: "unplaced", title: "unplaced", options: YES_NO() },
        ]}
      >
        <a class="button" href={"/api/v1/export/workloads.csv" + (query ? "?" + withoutPaging(query) : "")} download>
          <Icon name="download" /> {t("exportCsv")}
        </a>
      </Filters>
      <Fetched data={data} error={error} busy={busy} again={again} columns={workloadColumns()} caption={t("workloads")} id={(row) => `${row.namespace}/${row.name}`} empty="emptyWorkloads" />
      <Kubectl command={`kubectl get computeworkloads ${get("namespace") ? `-n ${get("namespace")}` : "-A"} -o wide`} />
    </Loaded>
  );
}

export function workloadColumns(): Column<Workload>[] {
  return [
    {
      title: t("name"),
      cell: (row) => <a href={`/workloads/${row.namespace}/${row.name}`}>{row.name}</a>,
      sort: "name",
    },
    { title: t("namespace"), cell: (row) => row.namespace, sort: "namespace", wide: true },
    { title: t("type"), cell: (row) => row.type, sort: "type", wide: true },
    { title: t("state"), cell: workloadState },
    { title: t("ready"), cell: (row) => `${number(row.readyReplicas)} / ${number(row.replicas)}`, sort: "readyReplicas", numeric: true },
    { title: t("unplaced"), cell: (row) => (row.unplacedReplicas ? number(row.unplacedReplicas) : ""), sort: "unplaced", numeric: true },
    { title: t("placements"), cell: placed, wide: true },
    { title: t("algorithm"), cell: (row) => row.algorithm, wide: true },
  ];
}

export function workloadState(row: Workload) {
  if (row.suspended) return <Pill state="idle">{t("suspended")}</Pill>;
  if (row.unplacedReplicas) return <Pill state="bad">{t("unplaced")}</Pill>;
  return row.readyReplicas >= row.replicas ? <Pill state="good">{t("ready")}</Pill> : <Pill state="warn">{t("notReady")}</Pill>;
}

function placed(row: Workload) {
  return (
    <span class="kinds">
      {row.placements.slice(0, 3).map((p) => (
        <a key={p.target + p.variant} href={linkTo(p.target)}>{bareName(p.target)} <small>×{number(p.replicas)}</small></a>
      ))}
      {row.placements.length > 3 && <small>{t("more", { count: row.placements.length - 3 })}</small>}
    </span>
  );
}

// --- algorithms and alerts

export function Algorithms() {
  const { get } = useAddress();
  const rows = algorithms.value.filter(
    (row) =>
      textMatches(get("q"), row.name, row.displayName.zh, row.displayName.en) &&
      (!get("category") || row.category === get("category")),
  );
  const categories = distinct(algorithms.value.map((a) => a.category));
  return (
    <Loaded>
      <Title of="algorithms" count={rows.length} />
      <Filters choices={[{ name: "category", title: "category", options: categories.map((v) => [v, v]) }]} />
      <Rows rows={rows} all={algorithms.value.length} empty="emptyAlgorithms" columns={algorithmColumns()} caption={t("algorithms")} id={(row) => row.name} />
      <Kubectl command="kubectl get algorithms -o wide" />
    </Loaded>
  );
}

function algorithmColumns(): Column<Algorithm>[] {
  return [
    {
      title: t("name"),
      cell: (row) => <><b>{named(row.displayName, row.name)}</b> <small class="block">{row.name}</small></>,
      sort: "name",
      value: (row) => row.name,
    },
    { title: t("category"), cell: (row) => row.category, sort: "category", value: (row) => row.category, wide: true },
    { title: t("versions"), cell: (row) => row.versions.map((v) => v.version).join(", ") },
    {
      title: t("throughput"),
      wide: true,
      cell: (row) => (
        <ul class="throughput">
          {(row.versions[0]?.throughput ?? []).map((one) => (
            <li key={one.classKey}><ClassName of={one.classKey} /> <b>{number(one.perReplica)}</b> {one.unit}</li>
          ))}
        </ul>
      ),
    },
    {
      title: t("usedBy"),
      cell: (row) => <a href={`/workloads?algorithm=${row.name}`}>{number(row.workloads)} · {number(row.replicas)} {t("replicasUnit")}</a>,
      sort: "replicas",
      value: (row) => row.replicas,
      numeric: true,
    },
  ];
}

export function Alerts() {
  return (
    <Loaded>
      <Title of="alerts" count={alerts.value.length} />
      <div class="panel"><AlertList rows={alerts.value} /></div>
      <Kubectl command="kubectl get clouds,edgesites,computeworkloads -A && kubectl get events -A --field-selector type=Warning" />
    </Loaded>
  );
}

// --- what is around the rows

interface RowsProps<Row> {
  rows: Row[];
  all: number;
  empty: Key;
  columns: Column<Row>[];
  caption: string;
  id: (row: Row) => string;
}

function Rows<Row>({ rows, all, empty, columns, caption, id }: RowsProps<Row>) {
  if (!rows.length) return <Message title={t("emptyTitle")}>{t(all ? "emptyFiltered" : empty)}</Message>;
  return <Table rows={rows} columns={columns} caption={caption} id={id} />;
}

interface FetchedProps<Row> {
  data: Page<Row> | null;
  error: import("../api").ApiError | null;
  busy: boolean;
  again: () => void;
  columns: Column<Row>[];
  caption: string;
  id: (row: Row) => string;
  empty?: Key;
}

export function Fetched<Row>({ data, error, busy, again, columns, caption, id, empty }: FetchedProps<Row>) {
  if (error && !data) return <Failed error={error} again={again} />;
  if (!data) return <Skeleton rows={10} />;
  if (!data.items.length) return <Message title={t("emptyTitle")}>{t(empty && !location.search ? empty : "emptyFiltered")}</Message>;
  return (
    <div class={busy ? "busy" : ""} aria-busy={busy}>
      <Table rows={data.items} columns={columns} caption={caption} id={id} paged={data} />
    </div>
  );
}

