// Names of districts and links to rows, for every page.

import { centre } from "./live";
import { named, t } from "./text";

export function districtName(code: string): string {
  if (!code) return t("noDistrict");
  const district = centre.value?.districts.find((each) => each.code === code);
  return named(district?.displayName, code);
}

/** Where a target, a workload or a class is shown. */
export function linkTo(subject: string): string {
  const [kind, ...rest] = subject.split("/");
  const name = rest.map(encodeURIComponent).join("/");
  if (kind === "Cloud") return "/clouds/" + name;
  if (kind === "EdgeSite") return "/sites/" + name;
  if (kind === "ComputeWorkload") return "/workloads/" + name;
  return subject.includes(".") ? "/nodes?class=" + encodeURIComponent(subject) : "";
}

export function bareName(target: string): string {
  return target.replace(/^(Cloud|EdgeSite|ComputeWorkload)\//, "");
}
