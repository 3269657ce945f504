// Counting rods (算筹): capacity as a row of rods, the used ones solid, the free ones pale.

import { percent } from "../format";
import { t } from "../text";

interface Props {
  used: number;
  whole: number;
  hue?: string;
  count?: number;
  label: string;
  class?: string;
}

export function Rods({ used, whole, hue = "arm64", count = 40, label, class: more = "" }: Props) {
  const share = whole > 0 ? Math.min(used / whole, 1) : 0;
  // Something in use is never shown as nothing, and something free never as full.
  const solid = share === 0 ? 0 : Math.min(Math.max(Math.round(share * count), 1), share < 1 ? count - 1 : count);
  return (
    <div
      class={`rods ${hue} ${more}`}
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(share * 100)}
      aria-valuetext={`${percent(used, whole)} ${t("used")}`}
      style={{ "--rods": String(count), "--share": `${(100 * (solid - 0.2)) / count}%` }}
    >
      <i />
    </div>
  );
}
