// Districts by their compute: on a map where positions are given, else as a treemap.

import { signal } from "@preact/signals";
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

interface Drawn {
  code: string;
  spot: Spot | undefined;
  x: number;
  y: number;
  radius: number;
}

/** Degrees to the drawing, filling it: a city's map is a diagram, and north stays up. */
function drawing(width: number, height: number): Drawn[] {
  const districts = (centre.value?.districts ?? []).filter((district) => district.position);
  const found = new Map(spots().map((spot) => [spot.code, spot]));
  const most = Math.max(...[...found.values()].map((spot) => spot.size), 1);
  const scale = (values: number[], from: number, to: number) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return (value: number) => (high > low ? from + ((value - low) / (high - low)) * (to - from) : (from + to) / 2);
  };
  const across = scale(districts.map((d) => d.position!.eastE6), SIDE, width - SIDE);
  const down = scale(districts.map((d) => d.position!.northE6), height - SIDE, SIDE - 12);
  const rows = districts.map(({ code, position }) => {
    const spot = found.get(code);
    const radius = spot?.size ? SMALLEST + (LARGEST - SMALLEST) * Math.sqrt(spot.size / most) : 4;
    return { code, spot, radius, x: across(position!.eastE6), y: down(position!.northE6) };
  });
  return apart(rows, width, height);
}

const SIDE = 60;
const SMALLEST = 11;
const LARGEST = 58;
const NAME_HEIGHT = 38; // below a bubble that is too small to hold its name
const NAME_HALF = 36;
const ROUNDS = 160;

/** Pushes bubbles and their names apart, a little in each round, the smaller one further. */
function apart(rows: Drawn[], width: number, height: number): Drawn[] {
  for (let round = 0; round < ROUNDS; round++) {
    for (const one of rows) {
      for (const other of rows) {
        if (one === other || one.radius > other.radius) continue;
        const [dx, dy] = [one.x - other.x, one.y + drop(one) - other.y - drop(other)];
        const wantX = reach(one) + reach(other) + 4;
        const wantY = rise(one) + rise(other) + 4;
        const overlap = Math.min(wantX - Math.abs(dx), wantY - Math.abs(dy));
        if (overlap <= 0) continue;
        if (wantX - Math.abs(dx) < wantY - Math.abs(dy)) one.x += Math.sign(dx || 1) * Math.min(overlap, 3);
        else one.y += Math.sign(dy || 1) * Math.min(overlap, 3);
      }
      one.x = Math.min(Math.max(one.x, reach(one)), width - reach(one));
      one.y = Math.min(Math.max(one.y, one.radius + 6), height - one.radius - (inside(one) ? 6 : NAME_HEIGHT));
    }
  }
  return rows;
}

function inside(one: Drawn): boolean {
  return one.radius > 30;
}
/** How far the middle of bubble and name lies below the bubble's own. */
function drop(one: Drawn): number {
  return inside(one) ? 0 : NAME_HEIGHT / 2;
}
function rise(one: Drawn): number {
  return one.radius + (inside(one) ? 3 : NAME_HEIGHT / 2);
}
function reach(one: Drawn): number {
  return Math.max(one.radius + 3, NAME_HALF);
}

const phone = window.matchMedia("(max-width: 45rem)");
const onPhone = signal(phone.matches);
phone.addEventListener("change", (event) => (onPhone.value = event.matches));

export function DistrictMap(props: { onPick?: (code: string) => void; width?: number; height?: number }) {
  const { onPick, width = onPhone.value ? 370 : 640, height = 400 } = props;
  const rows = drawing(width, height);
  const hub = rows.reduce((best, row) => (row.radius > best.radius ? row : best), rows[0]!);
  return (
    <svg class="map" viewBox={`0 0 ${width} ${height}`} role="group" aria-label={t("byDistrict")}>
      {rows.map((row) => (
        <path key={row.code} class="strand" d={`M${hub.x} ${hub.y}L${row.x} ${row.y}`} />
      ))}
      {rows.map((row) => <Bubble key={row.code} row={row} onPick={onPick} />)}
    </svg>
  );
}

function Bubble({ row, onPick }: { row: Drawn; onPick: ((code: string) => void) | undefined }) {
  const { code, spot, x, y, radius } = row;
  const name = districtName(code);
  if (!spot?.size) {
    return (
      <g class="district empty" transform={`translate(${x} ${y})`}>
        <circle r={radius} />
        <text y={20}>{name}</text>
      </g>
    );
  }
  const around = 2 * Math.PI * radius;
  const share = Math.min(spot.used / spot.size, 1);
  const label = `${name} ${units(spot.size)} ${t("unitsShort")}, ${percent(spot.used, spot.size)} ${t("used")}`;
  const act = onPick && (() => onPick(code));
  return (
    <g
      class="district"
      transform={`translate(${x} ${y})`}
      role={act ? "link" : "img"}
      tabindex={act ? 0 : undefined} // in SVG only the attribute as HTML writes it counts
      onClick={act}
      onKeyDown={(event) => act && event.key === "Enter" && act()}
    >
      <title>{label}</title>
      <circle r={radius} />
      <circle class="whole" r={radius} />
      <circle class="ring" r={radius} transform="rotate(-90)" stroke-dasharray={`${around * share} ${around}`} />
      <text y={inside(row) ? -2 : radius + 18}>{name}</text>
      <text class="figure" y={inside(row) ? 17 : radius + 34}>{units(spot.size)}</text>
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
  const city = all.reduce((total, spot) => total + spot.size, 0);
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
          name: said(spot, city),
          value: spot.size,
          itemStyle: { color: mixed(ink, spot.used / spot.size) },
          label: narrow(spot, city) ? { show: spot.size > city / 100, fontSize: small * 0.8, padding: 0 } : {},
        })),
      },
    ],
  };
}

function narrow(spot: Spot, city: number): boolean {
  return spot.size < city * 0.15;
}

/** A narrow rectangle has room for a name and a bare number. */
function said(spot: Spot, city: number): string {
  const name = districtName(spot.code);
  if (narrow(spot, city)) return `${name}\n${units(spot.size)}`;
  return `${name}\n${units(spot.size)} ${t("unitsShort")}\n${percent(spot.used, spot.size)} ${t("used")}`;
}

/** The more is used, the stronger the colour. */
function mixed(ink: Ink, share: number): string {
  const strength = Math.round(18 + 42 * Math.min(share, 1));
  return `${ink.general}${Math.round((strength / 100) * 255).toString(16).padStart(2, "0")}`;
}
