// Whether there is anything to show yet, and whether what is shown is current.

import type { ComponentChildren } from "preact";
import { duration } from "../format";
import { age, loaded, stale, waiting } from "../live";
import { t } from "../text";
import { Message, Skeleton } from "./basics";

/** Its children once there is something to show. */
export function Loaded({ children }: { children: ComponentChildren }) {
  if (loaded.value) return <>{children}</>;
  if (!waiting.value) return <Skeleton rows={9} />;
  return <Message title={t("waitingTitle")}>{t(waiting.value === "link" ? "waitingLink" : "waitingController")}</Message>;
}

/** Live, waiting, or how old what is shown is. */
export function Fresh() {
  const state = !loaded.value ? "idle" : stale.value ? "bad" : "good";
  const text = !loaded.value ? t(waiting.value ? "waitingTitle" : "loading") : stale.value ? duration(age.value) : t("live");
  return <span class={`fresh ${state}`}><i aria-hidden="true" />{text}</span>;
}
