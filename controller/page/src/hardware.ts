// Hardware classes as people read them, and each architecture's colour.

import { word } from "./text";
import type { Resources, Total, Units } from "./model";

export interface ClassParts {
  architecture: string;
  family: string;
  os: string;
  accelerator: string;
}

export function parts(key: string): ClassParts {
  const [architecture = "unknown", family = "unknown", os = "unknown", ...rest] = key.split(".");
  return { architecture, family, os, accelerator: rest.join(".") || "none" };
}

const NAMES: Record<string, string> = {
  "kunpeng-920": "Kunpeng 920",
  "kunpeng-930": "Kunpeng 930",
  "kunpeng-950": "Kunpeng 950",
  "phytium-ft1500a": "Phytium FT-1500A",
  "phytium-ft2000plus": "Phytium FT-2000+",
  "phytium-ft2000-4": "Phytium FT-2000/4",
  "phytium-d2000": "Phytium D2000",
  "phytium-s2500": "Phytium S2500",
  "phytium-e2000": "Phytium E2000",
  "phytium-d3000": "Phytium D3000",
  hygon: "Hygon",
  zhaoxin: "Zhaoxin",
  intel: "Intel",
  amd: "AMD",
  loongson: "Loongson",
  "ampere-altra": "Ampere Altra",
  "ampere-one": "AmpereOne",
  graviton2: "Graviton2",
  graviton3: "Graviton3",
  graviton4: "Graviton4",
  "kylin-v10": "Kylin V10",
  openeuler: "openEuler",
  uos: "UOS",
  anolis: "Anolis",
  ubuntu: "Ubuntu",
  debian: "Debian",
  deepin: "Deepin",
  ascend910b: "Ascend 910B",
  "huawei.com_Ascend910": "Ascend 910",
  "huawei.com_Ascend310P": "Ascend 310P",
  "nvidia.com_gpu": "NVIDIA GPU",
  "cambricon.com_mlu": "Cambricon MLU",
  "hygon.com_dcu": "Hygon DCU",
  "iluvatar.com_gpu": "Iluvatar GPU",
};

/** A family, system or accelerator as its maker writes it. */
export function pretty(name: string): string {
  return NAMES[name] ?? word(name).replace(/_/g, "/");
}

/** arm64 · Kunpeng 920 · openEuler · Ascend 910B */
export function className(key: string): string {
  const { architecture, family, os, accelerator } = parts(key);
  const words = [architecture, pretty(family), pretty(os)];
  return (accelerator === "none" ? words : [...words, pretty(accelerator)]).join(" · ");
}

export function hue(architecture: string): string {
  return ["amd64", "arm64", "loong64"].includes(architecture) ? architecture : "other";
}

const PLAIN = new Set(["cpu", "memory", "ephemeral-storage", "pods", "storage"]);

export function accelerators(resources: Resources): number {
  return Object.entries(resources).reduce((sum, [name, n]) => (!PLAIN.has(name) && name.includes("/") ? sum + n : sum), 0);
}

export interface Sum {
  nodes: number;
  readyNodes: number;
  allocatable: Resources;
  requested: Resources;
  units: Units;
  requestedUnits: Units;
  capacityUnits: Units;
  domesticMilli: number;
}

const NO_UNITS: Units = { generalMilli: 0, intelligentMilli: 0, gigaflopsFp16: 0, gigaopsInt8: 0 };

/** The sum of cells; an empty list gives zeros. */
export function sum(cells: Total[]): Sum {
  const total: Sum = {
    nodes: 0, readyNodes: 0, allocatable: {}, requested: {}, domesticMilli: 0,
    units: { ...NO_UNITS }, requestedUnits: { ...NO_UNITS }, capacityUnits: { ...NO_UNITS },
  };
  for (const cell of cells) {
    total.nodes += cell.nodes;
    total.readyNodes += cell.readyNodes;
    total.domesticMilli += cell.domesticMilli;
    addInto(total.allocatable, cell.allocatable);
    addInto(total.requested, cell.requested);
    for (const name of ["units", "requestedUnits", "capacityUnits"] as const) {
      addInto(total[name] as unknown as Resources, cell[name] as unknown as Resources);
    }
  }
  return total;
}

function addInto(left: Resources, right: Resources): void {
  for (const [name, value] of Object.entries(right)) left[name] = (left[name] ?? 0) + value;
}

/** Cells by a value that `of` gives, as sums, in the order of first sight. */
export function grouped(cells: Total[], of: (cell: Total) => string): Map<string, Total[]> {
  const groups = new Map<string, Total[]>();
  for (const cell of cells) {
    const key = of(cell);
    const group = groups.get(key);
    if (group) group.push(cell);
    else groups.set(key, [cell]);
  }
  return groups;
}

export function milli(units: Units): number {
  return units.generalMilli + units.intelligentMilli;
}
