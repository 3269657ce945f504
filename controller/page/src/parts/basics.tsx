// Small things that every page uses.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { ApiError } from "../api";
import { duration, time } from "../format";
import { parts, pretty, hue } from "../hardware";
import { now } from "../live";
import type { Condition } from "../model";
import { type Key, t, word } from "../text";
import { Icon } from "./icons";

type State = "good" | "warn" | "bad" | "idle";

export function Pill({ state, children }: { state: State; children: ComponentChildren }) {
  return <span class={`pill ${state}`}>{children}</span>;
}

/** Ready, cordoned or what else: in words, not by colour alone. */
export function Ready({ ready, cordoned }: { ready: Condition | boolean | null; cordoned?: boolean }) {
  const fine = typeof ready === "boolean" ? ready : ready?.status === "True";
  if (!fine) {
    const silent = typeof ready === "object" && ready?.status === "Unknown";
    return <Pill state="bad">{t(silent ? "unreachable" : "notReady")}</Pill>;
  }
  return cordoned ? <Pill state="warn">{t("cordoned")}</Pill> : <Pill state="good">{t("ready")}</Pill>;
}

export function ClassName({ of }: { of: string }) {
  const { architecture, family, os, accelerator } = parts(of);
  return (
    <span class="class-name" title={of}>
      <b class={`arch ${hue(architecture)}`}>{architecture}</b> {pretty(family)} <small>{pretty(os)}</small>
      {accelerator !== "none" && <em>{pretty(accelerator)}</em>}
    </span>
  );
}

export function Panel(props: { title?: ComponentChildren; note?: ComponentChildren; tools?: ComponentChildren; class?: string; children: ComponentChildren }) {
  return (
    <section class={`panel ${props.class ?? ""}`}>
      {(props.title || props.tools) && (
        <header>
          <h2>{props.title}</h2>
          {props.note && <p>{props.note}</p>}
          {props.tools && <div class="tools">{props.tools}</div>}
        </header>
      )}
      {props.children}
    </section>
  );
}

export function Message(props: { title: string; children?: ComponentChildren; bad?: boolean }) {
  return (
    <div class={`message ${props.bad ? "bad" : ""}`} role={props.bad ? "alert" : "status"}>
      <span class="rods arm64 quiet" aria-hidden="true" />
      <strong>{props.title}</strong>
      {props.children && <div>{props.children}</div>}
    </div>
  );
}

export function Failed({ error, again }: { error: ApiError; again: () => void }) {
  if (error.status === 403) return <Message title={t("forbiddenTitle")}>{t("forbiddenHelp")}</Message>;
  const known: Record<string, Key> = { Unreachable: "refusedUnreachable", HubUnreachable: "refusedHubUnreachable" };
  const key = known[error.reason];
  return (
    <Message title={t("errorTitle")} bad>
      <p>{key ? t(key) : error.message}</p>
      <button type="button" onClick={again}>{t("retry")}</button>
    </Message>
  );
}

export function Skeleton({ rows = 6 }: { rows?: number }) {
  return (
    <div class="skeleton" role="status" aria-label={t("loading")}>
      {Array.from({ length: rows }, (_, i) => <i key={i} />)}
    </div>
  );
}

export function Kubectl({ command }: { command: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard?.writeText(command).catch(() => undefined);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <div class="kubectl">
      <span>{t("kubectl")}</span>
      <code tabIndex={0}>{command}</code>
      <button type="button" class="quiet" onClick={copy} aria-live="polite">
        <Icon name="copy" /> {t(copied ? "copied" : "copy")}
      </button>
    </div>
  );
}

export function Facts({ rows }: { rows: [Key, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {rows.filter(([, value]) => value !== "" && value !== null && value !== undefined).map(([key, value]) => (
        <div key={key}>
          <dt>{t(key)}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Since({ at }: { at: number }) {
  if (!at) return null;
  return <time dateTime={new Date(at * 1000).toISOString()} title={time(at)}>{t("ago", { age: duration(now.value - at) })}</time>;
}

export function Conditions({ rows }: { rows: Condition[] }) {
  return (
    <ul class="conditions">
      {rows.map((row) => (
        <li key={row.type}>
          <Pill state={row.status === "True" ? "good" : row.status === "False" ? "warn" : "bad"}>{row.type}={row.status}</Pill>
          <b>{word(row.reason)}</b> <span>{row.message}</span> <Since at={row.since} />
        </li>
      ))}
    </ul>
  );
}
