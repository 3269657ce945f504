// A chart that loads ECharts when it is first seen and redraws with the theme, the language and its size.

import type { ComposeOption } from "echarts/core";
import type { LineSeriesOption, TreemapSeriesOption } from "echarts/charts";
import type { GridComponentOption, TooltipComponentOption } from "echarts/components";
import { useEffect, useRef } from "preact/hooks";
import { dark } from "../theme";
import { language } from "../text";

export type Option = ComposeOption<LineSeriesOption | TreemapSeriesOption | GridComponentOption | TooltipComponentOption>;

export interface Ink {
  text: string;
  faint: string;
  line: string;
  panel: string;
  amd64: string;
  arm64: string;
  loong64: string;
  other: string;
  gold: string;
  general: string;
  /** Pixels of the page's rem, which a wall screen enlarges. */
  rem: number;
}

const WALL = 1.3; // labels are read from further away

function ink(): Ink {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string) => style.getPropertyValue("--" + name).trim();
  return {
    text: of("text"), faint: of("faint"), line: of("line"), panel: of("panel"), amd64: of("amd64"), arm64: of("arm64"),
    loong64: of("loong64"), other: of("other"), gold: of("gold"), general: of("general"), rem: parseFloat(style.fontSize) * (document.documentElement.classList.contains("on-wall") ? WALL : 1),
  };
}

interface Props {
  option: (ink: Ink) => Option;
  label: string;
  class?: string;
  onPick?: (name: string) => void;
}

export function Chart({ option, label, class: more = "", onPick }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const pick = useRef(onPick);
  pick.current = onPick;
  const draw = useRef<(() => void) | null>(null);
  const latest = useRef(option);
  latest.current = option;
  const shade = dark.value;
  const tongue = language.value;

  useEffect(() => {
    let gone = false;
    let dispose = () => {};
    void import("./echarts").then(({ init }) => {
      if (gone || !box.current) return;
      const chart = init(box.current);
      draw.current = () => chart.setOption(latest.current(ink()), { notMerge: true });
      draw.current();
      chart.on("click", (event) => pick.current?.(String((event.data as { id?: string } | undefined)?.id ?? "")));
      const watch = new ResizeObserver(() => (chart.resize(), draw.current?.()));
      watch.observe(box.current);
      dispose = () => (watch.disconnect(), chart.dispose());
    });
    return () => ((gone = true), dispose());
  }, []);
  useEffect(() => draw.current?.(), [option, shade, tongue]);

  return <div ref={box} class={`chart ${more}`} role="img" aria-label={label} />;
}
