// Districts by their compute: on a map where positions are given, else as a treemap.

import { useMemo } from "preact/hooks";
import { percent, units } from "../format";
import { grouped, milli, sum, type Sum } from "../hardware";
import { cells, centre } from "../live";
import { districtName } from "../places";
import { language, t } from "../text";
import { Chart, type Ink, type Option } from "./chart";

interface Spot {
  code: string;
  all: Sum;
  size: number;
  used: number;
}

function spots(): Spot[] {
  return [...grouped(cells.value, (cell) => cell.key.district ?? "")]
    .map(([code, rows]) => {
      const all = sum(rows);
      const counted = milli(all.capacityUnits) > 0;
      const size = counted ? milli(all.units) : (all.allocatable.cpu ?? 0);
      return { code, all, size, used: counted ? milli(all.requestedUnits) : (all.requested.cpu ?? 0) };
    })
    .sort((a, b) => b.size - a.size);
}

export function hasMap(): boolean {
  return (centre.value?.districts.filter((district) => district.position).length ?? 0) > 1;
}

const WIDTH = 640;
const HEIGHT = 400;
const MARGIN = 64;

/** Degrees to the drawing: equal distances, as near as a city is small. */
function projection(): (east: number, north: number) => [number, number] {
  const points = (centre.value?.districts ?? []).flatMap((d) => (d.position ? [d.position] : []));
  const middle = (values: number[]) => (Math.max(...values) + Math.min(...values)) / 2;
  const span = (values: number[]) => Math.max(Math.max(...values) - Math.min(...values), 1);
  const easts = points.map((p) => p.eastE6);
  const norths = points.map((p) => p.northE6);
  const squeeze = Math.cos((middle(norths) / 1e6) * (Math.PI / 180));
  const scale = Math.min((WIDTH - 2 * MARGIN) / (span(easts) * squeeze), (HEIGHT - 2 * MARGIN) / span(norths));
  return (east, north) => [
    WIDTH / 2 + (east - middle(easts)) * squeeze * scale,
    HEIGHT / 2 - (north - middle(norths)) * scale,
  ];
}

export function DistrictMap({ onPick }: { onPick?: (code: string) => void }) {
  const place = projection();
  const found = new Map(spots().map((spot) => [spot.code, spot]));
  const most = Math.max(...[...found.values()].map((spot) => spot.size), 1);
  const districts = (centre.value?.districts ?? []).filter((district) => district.position);
  const hub = districts.find((d) => d.code === [...found.keys()][0]) ?? districts[0];
  const [hubX, hubY] = hub?.position ? place(hub.position.eastE6, hub.position.northE6) : [0, 0];
  return (
    <svg class="map" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="group" aria-label={t("byDistrict")}>
      {districts.map((district) => {
        const [x, y] = place(district.position!.eastE6, district.position!.northE6);
        return <path key={district.code} class="strand" d={`M${hubX} ${hubY}Q${(hubX + x) / 2} ${Math.min(hubY, y) - 12} ${x} ${y}`} />;
      })}
      {districts.map((district) => {
        const [x, y] = place(district.position!.eastE6, district.position!.northE6);
        return <Bubble key={district.code} code={district.code} spot={found.get(district.code)} x={x} y={y} most={most} onPick={onPick} />;
      })}
    </svg>
  );
}

function Bubble(props: { code: string; spot: Spot | undefined; x: number; y: number; most: number; onPick?: ((code: string) => void) | undefined }) {
  const { code, spot, x, y, most, onPick } = props;
  const name = districtName(code);
  if (!spot?.size) {
    return (
      <g class="district empty" transform={`translate(${x} ${y})`}>
        <circle r={4} />
        <text y={19}>{name}</text>
      </g>
    );
  }
  const radius = 9 + 37 * Math.sqrt(spot.size / most);
  const around = 2 * Math.PI * radius;
  const share = Math.min(spot.used / spot.size, 1);
  const label = `${name}: ${units(spot.size)} ${t("unitsShort")}, ${percent(spot.used, spot.size)} ${t("used")}`;
  const inside = radius > 24;
  const act = onPick && (() => onPick(code));
  return (
    <g
      class="district"
      transform={`translate(${x} ${y})`}
      role={act ? "link" : "img"}
      tabIndex={act ? 0 : undefined}
      aria-label={label}
      onClick={act}
      onKeyDown={(event) => act && event.key === "Enter" && act()}
    >
      <title>{label}</title>
      <circle r={radius} />
      <circle class="ring" r={radius} transform="rotate(-90)" stroke-dasharray={`${around * share} ${around}`} />
      <text y={inside ? -1 : radius + 15}>{name}</text>
      <text class="figure" y={inside ? 15 : radius + 30}>{units(spot.size)}</text>
    </g>
  );
}

export function DistrictTreemap({ onPick }: { onPick?: (code: string) => void }) {
  const rows = cells.value;
  const tongue = language.value;
  const option = useMemo(() => (ink: Ink) => drawn(ink), [rows, tongue]);
  return <Chart option={option} label={t("byDistrict")} class="treemap" {...(onPick ? { onPick } : {})} />;
}

function drawn(ink: Ink): Option {
  const all = spots().filter((spot) => spot.size > 0);
  const small = ink.rem * 0.85;
  return {
    animation: false,
    tooltip: { show: false },
    series: [
      {
        type: "treemap",
        roam: false,
        nodeClick: false,
        breadcrumb: { show: false },
        left: 0, right: 0, top: 0, bottom: 0,
        label: { fontFamily: "Barlow, sans-serif", fontSize: small, color: ink.text, lineHeight: small * 1.35, padding: small / 3 },
        itemStyle: { borderColor: ink.panel, borderWidth: ink.rem / 6, gapWidth: ink.rem / 6, color: ink.line },
        data: all.map((spot) => ({
          id: spot.code,
          name: `${districtName(spot.code)}\n${units(spot.size)} ${t("unitsShort")}\n${percent(spot.used, spot.size)} ${t("used")}`,
          value: spot.size,
          itemStyle: { color: mixed(ink, spot.used / spot.size) },
        })),
      },
    ],
  };
}

/** The more is used, the stronger the colour. */
function mixed(ink: Ink, share: number): string {
  const strength = Math.round(18 + 42 * Math.min(share, 1));
  return `${ink.general}${Math.round((strength / 100) * 255).toString(16).padStart(2, "0")}`;
}
