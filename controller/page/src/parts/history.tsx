// The share of general and intelligent compute in use, over time.

import { useMemo } from "preact/hooks";
import { computed } from "@preact/signals";
import { useFetched } from "../fetched";
import { number, time } from "../format";
import { clock } from "../live";
import type { History, Sample } from "../model";
import { type Key, language, t } from "../text";
import { Failed, Message, Skeleton } from "./basics";
import { Chart, type Ink, type Option } from "./chart";

export const SPANS: [seconds: number, title: Key][] = [
  [3600, "lastHour"],
  [86_400, "lastDay"],
  [7 * 86_400, "lastWeek"],
  [60 * 86_400, "lastTwoMonths"],
];

const everyMinute = computed(() => Math.floor(clock.value / 60));

export function HistoryChart({ seconds }: { seconds: number }) {
  const { data, error, again } = useFetched<History>(`/history?by=total&seconds=${seconds}`, everyMinute);
  const tongue = language.value;
  const option = useMemo(() => (data ? (ink: Ink) => drawn(data.items, ink) : null), [data, tongue]);
  if (error && !data) return <Failed error={error} again={again} />;
  if (!data || !option) return <Skeleton rows={4} />;
  if (data.items.length < 2) return <Message title={t("emptyHistory")} />;
  return (
    <>
      <p class="legend">
        <span class="general"><i />{t("general")}</span>
        <span class="gold"><i />{t("intelligent")}</span>
      </p>
      <Chart option={option} label={t("overTime")} class="history" />
    </>
  );
}

function share(used: number, whole: number): number | null {
  return whole ? Math.round((1000 * used) / whole) / 10 : null;
}

function drawn(samples: Sample[], ink: Ink): Option {
  const small = ink.rem * 0.75;
  const line = (name: string, colour: string, value: (sample: Sample) => number | null) => ({
    type: "line" as const,
    name,
    data: samples.map((sample) => [sample.at * 1000, value(sample)]),
    showSymbol: false,
    smooth: 0.2,
    lineStyle: { width: ink.rem / 7, color: colour },
    itemStyle: { color: colour },
    areaStyle: { color: colour, opacity: 0.1 },
  });
  return {
    animation: false,
    grid: { left: ink.rem * 2.8, right: ink.rem * 0.8, top: ink.rem * 0.8, bottom: ink.rem * 1.7 },
    textStyle: { fontFamily: "Barlow, sans-serif", fontSize: small, color: ink.faint },
    xAxis: {
      type: "time",
      axisLine: { lineStyle: { color: ink.line } },
      axisTick: { show: false },
      axisLabel: { color: ink.faint, fontSize: small, hideOverlap: true },
      splitLine: { show: false },
    },
    yAxis: {
      type: "value",
      min: 0,
      max: 100,
      interval: 25,
      axisLabel: { color: ink.faint, fontSize: small, formatter: "{value}%" },
      splitLine: { lineStyle: { color: ink.line } },
    },
    tooltip: {
      trigger: "axis",
      renderMode: "richText", // an HTML tooltip needs inline styles, which the Content-Security-Policy refuses
      backgroundColor: ink.panel,
      borderColor: ink.line,
      textStyle: { color: ink.text, fontSize: small },
      formatter: (points) => tip(points as unknown as Point[]),
    },
    series: [
      line(t("general"), ink.general, (s) => share(s.generalRequestedMilli, s.generalMilli)),
      line(t("intelligent"), ink.gold, (s) => share(s.intelligentRequestedMilli, s.intelligentMilli)),
    ],
  };
}

interface Point {
  seriesName: string;
  value: [number, number | null];
}

function tip(points: Point[]): string {
  const first = points[0];
  if (!first) return "";
  const lines = points.map((p) => `${p.seriesName}  ${p.value[1] === null ? "—" : number(p.value[1], 1) + "%"}`);
  return [time(first.value[0] / 1000), ...lines].join("\n");
}
