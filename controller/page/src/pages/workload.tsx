// One workload: where it runs, and why not elsewhere.

import { useRoute } from "preact-iso";
import { useFetched } from "../fetched";
import { number } from "../format";
import { workloadsVersion } from "../live";
import type { Placement, Reason, Workload as Row } from "../model";
import { Conditions, Facts, Failed, Kubectl, Message, Panel, Since, Skeleton } from "../parts/basics";
import { Loaded } from "../parts/loaded";
import { Rods } from "../parts/rods";
import { type Column, Table } from "../parts/table";
import { bareName, linkTo } from "../places";
import { type Key, t, word } from "../text";
import { workloadState } from "./tables";

export function Workload() {
  const { params } = useRoute();
  const key = `${params.namespace}/${params.name}`;
  const { data, error, again } = useFetched<Row>(`/workloads/${key}`, workloadsVersion);
  if (error?.status === 404) {
    return (
      <Message title={t("notFoundTitle")}>
        <p>{t("notFoundRow", { name: key })}</p>
        <a href="/workloads">{t("workloads")}</a>
      </Message>
    );
  }
  if (error && !data) return <Failed error={error} again={again} />;
  return <Loaded>{data ? <Shown row={data} /> : <Skeleton />}</Loaded>;
}

function Shown({ row }: { row: Row }) {
  return (
    <>
      <h1 class="named"><small>{row.namespace} /</small> {row.name} {workloadState(row)}</h1>
      <div class="two">
        <Panel><Facts rows={facts(row)} /></Panel>
        <Panel>
          <p class="big"><b>{number(row.readyReplicas)}</b> <span>/ {number(row.replicas + row.unplacedReplicas)} {t("replicasReady")}</span></p>
          <Rods used={row.readyReplicas} whole={row.replicas + row.unplacedReplicas} hue="general" count={40} label={t("ready")} />
          {row.unplacedReplicas > 0 && <p class="refusal">{t("ReplicasUnplaced", { value: number(row.unplacedReplicas) })}</p>}
        </Panel>
      </div>
      <Panel title={t("placements")}>
        {row.placements.length ? (
          <Table rows={row.placements} columns={placementColumns()} caption={t("placements")} id={(p) => p.target + p.variant} />
        ) : (
          <Message title={t("unplaced")} />
        )}
      </Panel>
      <Panel title={t("whyNot")} note={t("whyNotHelp")}>
        {row.unplaced.length ? <Reasons rows={row.unplaced} /> : <Message title={t("allPlaced")} />}
      </Panel>
      <Panel title={t("conditions")}><Conditions rows={row.conditions} /></Panel>
      <Kubectl command={`kubectl get computeworkload -n ${row.namespace} ${row.name} -o yaml && suanli-controller explain -n ${row.namespace} ${row.name}`} />
    </>
  );
}

function facts(row: Row): [Key, preact.ComponentChildren][] {
  return [
    ["type", row.type],
    ["dataGrade", row.dataGrade ? t(row.dataGrade as Key) : ""],
    ["priorityClass", row.priorityClass],
    ["algorithm", row.algorithm],
    ["variants", row.variants.join(", ")],
    ["made", <Since at={row.created} />],
  ];
}

function placementColumns(): Column<Placement>[] {
  return [
    { title: t("place"), cell: (p) => <a href={linkTo(p.target)}>{bareName(p.target)}</a> },
    { title: t("variant"), cell: (p) => p.variant },
    { title: t("ready"), cell: (p) => `${number(p.readyReplicas)} / ${number(p.replicas)}`, numeric: true },
    {
      title: "",
      cell: (p) => <Rods used={p.readyReplicas} whole={p.replicas} hue="general" count={Math.min(Math.max(p.replicas, 1), 24)} label={p.target} />,
    },
  ];
}

/** Longer bars rule out more nodes; the order is the one in which they were tried. */
function Reasons({ rows }: { rows: Reason[] }) {
  const most = Math.max(...rows.map((row) => row.nodes), 1);
  return (
    <ul class="reasons">
      {rows.map((row) => (
        <li key={row.reason}>
          <span><b>{word(row.reason)}</b> <small>{row.reason}</small></span>
          <i style={{ width: `${(100 * row.nodes) / most}%` }} />
          <span class="number">{number(row.nodes)} {t("nodesUnit")}</span>
          {row.message && <small class="note">{row.message}</small>}
        </li>
      ))}
    </ul>
  );
}
