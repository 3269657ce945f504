// What the page holds: one snapshot, kept current by numbered deltas over a WebSocket. A gap means connecting anew.

import { batch, computed, signal } from "@preact/signals";
import * as api from "./api";
import type {
  Alert, Algorithm, Allowed, Capacity, Centre, Cloud, Counts, Freshness, LiveDelta, LiveFrame, LiveSnapshot, Session, Site, Total,
} from "./model";

/** loading: nothing yet; open: live; lost: what is shown grows old; signedout, forbidden: sign in (as another). */
export type Link = "loading" | "open" | "lost" | "signedout" | "forbidden";

const CLOSED_SIGNED_OUT = 4401;
const CLOSED_FORBIDDEN = 4403;
const CLOSED_NO_DATA = 4425;
const STALE_SECONDS = 15;
const SILENCE_MS = 15_000; // three beats
const RETRY_MS = [300, 700, 1500, 3000, 5000];
const KEEP_SESSION_MS = 10 * 60_000;

export const link = signal<Link>("loading");
export const session = signal<Session | null>(null);
export const refusal = signal("");
export const allowed = signal<Allowed | null>(null);
export const centre = signal<Centre | null>(null);
/** Totals by class, tier and district, told to who may not see every place that goes into them. */
const told = signal<Total[]>([]);
export const counts = signal<Counts | null>(null);
export const clouds = signal<Cloud[]>([]);
export const sites = signal<Site[]>([]);
export const algorithms = signal<Algorithm[]>([]);
export const alerts = signal<Alert[]>([]);
/** The finest totals there are: of each class of each place, or as they were told. */
export const cells = computed<Total[]>(() => (told.value.length ? told.value : [...clouds.value, ...sites.value].flatMap(cellsOf)));
export const loaded = signal(false);
/** Why there is nothing yet: the server cannot be reached, or no controller has told it anything. */
export const waiting = signal<"" | "link" | "controller">("");

/** Grow with each change of rows that are read by page. */
export const nodesVersion = signal(0);
export const workloadsVersion = signal(0);

const freshness = signal<Freshness | null>(null);
const skew = signal(0); // server's clock minus ours, in seconds
export const clock = signal(Date.now() / 1000);
setInterval(() => (clock.value = Date.now() / 1000), 1000);

/** Seconds since the controller's last word, by the server's clock. */
export const age = computed(() => {
  const heard = freshness.value?.heardAt ?? 0;
  return heard ? Math.max(0, Math.round(clock.value + skew.value - heard)) : 0;
});
/** What keeps what is shown from being current. */
export const stale = computed<"" | "link" | "controller">(() => {
  if (!loaded.value) return "";
  if (link.value === "lost") return "link";
  if (freshness.value && (!freshness.value.connected || age.value > STALE_SECONDS)) return "controller";
  return "";
});
export const now = computed(() => clock.value + skew.value);

let socket: WebSocket | null = null;
let sequence = -1;
let tries = 0;
let retry = 0;
let silence = 0;

export async function start(): Promise<void> {
  const token = /^#token=(.+)$/.exec(location.hash)?.[1];
  if (token) {
    history.replaceState(null, "", location.pathname + location.search);
    await signIn(decodeURIComponent(token));
    return;
  }
  connect();
  readSession();
}

export async function signIn(token: string): Promise<void> {
  refusal.value = "";
  try {
    session.value = await api.signIn(token);
    tries = 0;
    link.value = "loading";
    connect();
  } catch (error) {
    refused(error);
  }
}

function refused(error: unknown): void {
  const problem = error instanceof api.ApiError ? error : new api.ApiError(0, "Unreachable", String(error));
  batch(() => {
    link.value = "signedout";
    refusal.value = problem.reason;
  });
}

export async function signOut(): Promise<void> {
  await api.signOut().catch(() => undefined);
  drop("signedout");
}

/** Asks who is signed in; a wall screen's session is renewed by that. */
function readSession(): void {
  api.get<Session>("/session").then(
    (answer) => (session.value = answer),
    () => undefined,
  );
}
setInterval(() => link.value === "open" && readSession(), KEEP_SESSION_MS);

function connect(): void {
  clearTimeout(retry);
  socket?.close();
  const query = "DecompressionStream" in window ? "?compress=gzip" : ""; // browsers before 2023 have none
  const address = location.origin.replace(/^http/, "ws") + "/api/v1/live" + query;
  const mine = (socket = new WebSocket(address));
  sequence = -1;
  listenForSilence();
  let taken = Promise.resolve(); // in order, though those that come compressed take a moment longer
  mine.onmessage = (event: MessageEvent<string | Blob>) => {
    const text = textOf(event.data);
    taken = taken.then(async () => {
      const frame = JSON.parse(await text) as LiveFrame;
      if (mine === socket) take(frame);
    });
    taken.catch(() => mine === socket && closed(1006)); // a frame that cannot be read: begin anew
  };
  mine.onclose = (event) => mine === socket && closed(event.code);
}

async function textOf(data: string | Blob): Promise<string> {
  if (typeof data === "string") return data;
  return new Response(data.stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

function listenForSilence(): void {
  clearTimeout(silence);
  silence = window.setTimeout(() => socket && closed(1006), SILENCE_MS);
}

function closed(code: number): void {
  clearTimeout(silence);
  const old = socket;
  socket = null;
  old?.close();
  if (code === CLOSED_SIGNED_OUT) return drop("signedout");
  if (code === CLOSED_FORBIDDEN) return drop("forbidden");
  if (loaded.value || tries > 1 || code === CLOSED_NO_DATA) link.value = "lost";
  if (link.value === "lost") waiting.value = code === CLOSED_NO_DATA ? "controller" : "link";
  retry = window.setTimeout(connect, RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)]);
}

function drop(to: Link): void {
  clearTimeout(retry);
  clearTimeout(silence);
  const old = socket;
  socket = null;
  old?.close();
  batch(() => {
    link.value = to;
    session.value = null;
    allowed.value = null;
    loaded.value = false;
    told.value = [];
    clouds.value = [];
    sites.value = [];
    algorithms.value = [];
    alerts.value = [];
    counts.value = null;
  });
}

// A hidden tab may have slept through its timers: look at once when it is seen again.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && link.value === "lost") connect();
});
window.addEventListener("online", () => link.value === "lost" && connect());

function take(frame: LiveFrame): void {
  listenForSilence();
  const follows = frame.kind === "snapshot" || frame.sequence === sequence + (frame.kind === "delta" ? 1 : 0);
  if (!follows) return connect();
  tries = 0;
  batch(() => {
    sequence = frame.sequence;
    freshness.value = frame.freshness;
    skew.value = frame.freshness.now - Date.now() / 1000;
    if (frame.kind === "snapshot") takeSnapshot(frame);
    if (frame.kind === "delta") takeDelta(frame);
    link.value = "open";
    waiting.value = "";
    loaded.value = true;
  });
}

function takeSnapshot(frame: LiveSnapshot): void {
  if (!session.value) readSession();
  allowed.value = frame.allowed;
  centre.value = frame.centre;
  told.value = frame.cells;
  counts.value = frame.counts;
  clouds.value = frame.clouds;
  sites.value = frame.sites;
  algorithms.value = frame.algorithms;
  alerts.value = frame.alerts;
  nodesVersion.value++;
  workloadsVersion.value++;
}

function takeDelta(frame: LiveDelta): void {
  if (frame.centre !== undefined) centre.value = frame.centre;
  if (frame.cells || frame.cellsGone) told.value = mergedCells(frame.cells ?? [], frame.cellsGone ?? []);
  if (frame.counts) counts.value = frame.counts;
  if (frame.alerts) alerts.value = frame.alerts;
  const gone = frame.gone ?? [];
  clouds.value = merged(clouds.value, frame.clouds, gone, "Cloud/");
  sites.value = merged(sites.value, frame.sites, gone, "EdgeSite/");
  algorithms.value = merged(algorithms.value, frame.algorithms, gone, "Algorithm/");
  if (frame.touched && frame.touched.nodes?.length !== 0) nodesVersion.value++;
  if (frame.touched && frame.touched.workloads?.length !== 0) workloadsVersion.value++;
}

function mergedCells(fresh: Total[], gone: Record<string, string>[]): Total[] {
  const rows = new Map(told.value.map((cell) => [cellKey(cell.key), cell]));
  for (const cell of fresh) rows.set(cellKey(cell.key), cell);
  for (const key of gone) rows.delete(cellKey(key));
  return [...rows.values()];
}

function cellKey(key: Record<string, string>): string {
  return [key.class, key.tier, key.district].join(" ");
}

const cellsByPlace = new WeakMap<Cloud | Site, Total[]>();

function cellsOf(place: Cloud | Site): Total[] {
  let rows = cellsByPlace.get(place);
  if (!rows) cellsByPlace.set(place, (rows = place.classes.map((row) => cellOf(place, row))));
  return rows;
}

function cellOf(place: Cloud | Site, row: Capacity): Total {
  const installed = row.capacityUnits.generalMilli + row.capacityUnits.intelligentMilli;
  const domesticMilli = row.domestic ? installed : 0;
  return {
    ...row,
    key: { class: row.key, tier: place.tier, district: place.district },
    domesticMilli,
    domesticPermille: row.domestic ? 1000 : 0,
  };
}

function merged<Row extends { name: string }>(held: Row[], fresh: Row[] | undefined, gone: string[], kind: string): Row[] {
  const left = gone.filter((name) => name.startsWith(kind)).map((name) => name.slice(kind.length));
  if (!fresh?.length && !left.length) return held;
  const rows = new Map(held.map((row) => [row.name, row]));
  for (const row of fresh ?? []) rows.set(row.name, row);
  for (const name of left) rows.delete(name);
  return [...rows.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
