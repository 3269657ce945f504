// Alerts in words, the worst first.

import { duration, percent } from "../format";
import { className } from "../hardware";
import type { Alert } from "../model";
import { bareName, linkTo } from "../places";
import { type Key, t, word } from "../text";
import { Message, Pill, Since } from "./basics";

export function alertText(alert: Alert): string {
  return t(alert.reason as Key, {
    value: alert.value,
    duration: duration(alert.value),
    percent: percent(alert.value, 1000),
    message: alert.message,
  });
}

function subject(alert: Alert): string {
  if (!alert.subject) return t(alert.reason.includes("Site") || alert.reason.includes("Box") ? "someSite" : "someCloud");
  return alert.reason === "ClassFull" ? className(alert.subject) : bareName(alert.subject);
}

/** Reasons as words, messages as they are; a class's resource is in the text already. */
function detail(alert: Alert): string {
  if (alert.reason === "ClassFull") return "";
  return alert.reason === "ReplicasUnplaced" ? alert.message.split(", ").map(word).join(" · ") : alert.message;
}

export function AlertList({ rows }: { rows: Alert[] }) {
  if (!rows.length) return <Message title={t("emptyAlerts")} />;
  return (
    <ul class="alert-list">
      {rows.map((alert) => {
        const href = linkTo(alert.subject);
        return (
          <li key={alert.reason + alert.subject + alert.message} class={alert.severity}>
            <Pill state={alert.severity === "critical" ? "bad" : "warn"}>{t(alert.severity)}</Pill>
            <span>
              {href ? <a href={href}>{subject(alert)}</a> : <b>{subject(alert)}</b>} {alertText(alert)}
              {detail(alert) && <small>{detail(alert)}</small>}
            </span>
            <Since at={alert.since} />
          </li>
        );
      })}
    </ul>
  );
}
