// The frame around every page: navigation, freshness, language, appearance, and what is shown when nobody is signed in.

import { useEffect } from "preact/hooks";
import { lazy, LocationProvider, Route, Router, useLocation } from "preact-iso";
import { duration } from "./format";
import { age, alerts, allowed, centre, link, session, signOut, stale } from "./live";
import { Overview } from "./pages/overview";
import { SignIn } from "./pages/sign-in";
import { Icon, Mark } from "./parts/icons";
import { Message } from "./parts/basics";
import { Fresh } from "./parts/loaded";
import { type Key, language, named, t } from "./text";
import { nextTheme, theme } from "./theme";

const Clouds = lazy(() => import("./pages/tables").then((m) => m.Clouds));
const Sites = lazy(() => import("./pages/tables").then((m) => m.Sites));
const Nodes = lazy(() => import("./pages/tables").then((m) => m.Nodes));
const Workloads = lazy(() => import("./pages/tables").then((m) => m.Workloads));
const Algorithms = lazy(() => import("./pages/tables").then((m) => m.Algorithms));
const Alerts = lazy(() => import("./pages/tables").then((m) => m.Alerts));
const Place = lazy(() => import("./pages/place").then((m) => m.Place));
const Workload = lazy(() => import("./pages/workload").then((m) => m.Workload));
const Wall = lazy(() => import("./pages/wall").then((m) => m.Wall));

interface Entry {
  path: string;
  key: Key;
  icon: string;
  may: () => boolean;
}

const ENTRIES: Entry[] = [
  { path: "/", key: "overview", icon: "overview", may: () => true },
  { path: "/clouds", key: "clouds", icon: "clouds", may: () => !!allowed.value?.clouds },
  { path: "/sites", key: "sites", icon: "sites", may: () => !!allowed.value?.sites },
  { path: "/nodes", key: "nodes", icon: "nodes", may: () => !!(allowed.value?.clouds || allowed.value?.sites) },
  {
    path: "/workloads", key: "workloads", icon: "workloads",
    may: () => !!(allowed.value?.workloads || allowed.value?.namespaces.length),
  },
  { path: "/algorithms", key: "algorithms", icon: "algorithms", may: () => !!allowed.value?.algorithms },
  { path: "/alerts", key: "alerts", icon: "alerts", may: () => true },
];

export function App() {
  return (
    <LocationProvider>
      <Gate />
    </LocationProvider>
  );
}

function Gate() {
  const { path } = useLocation();
  const title = named(centre.value?.displayName, t("brandTail"));
  useEffect(() => {
    const entry = ENTRIES.find((each) => each.path === path);
    document.title = entry && path !== "/" ? `${t(entry.key)} · ${title}` : title;
  }, [path, title, language.value]);
  if (link.value === "signedout" || link.value === "forbidden") return <SignIn />;
  if (path === "/wall") return <Pages />;
  return (
    <div class="frame">
      <a class="skip" href="#main" onClick={skip}>{t("skip")}</a>
      <Side title={title} path={path} />
      <div class="body">
        <Top />
        <main id="main" tabIndex={-1} class={stale.value ? "stale" : ""}>
          <Pages />
        </main>
      </div>
    </div>
  );
}

function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Pages() {
  return (
    <Router>
      <Route path="/" component={Overview} />
      <Route path="/clouds" component={Clouds} />
      <Route path="/clouds/:name" component={Place} />
      <Route path="/sites" component={Sites} />
      <Route path="/sites/:name" component={Place} />
      <Route path="/nodes" component={Nodes} />
      <Route path="/workloads" component={Workloads} />
      <Route path="/workloads/:namespace/:name" component={Workload} />
      <Route path="/algorithms" component={Algorithms} />
      <Route path="/alerts" component={Alerts} />
      <Route path="/wall" component={Wall} />
      <Route default component={NotFound} />
    </Router>
  );
}

function NotFound() {
  return (
    <Message title={t("notFoundTitle")}>
      <a href="/">{t("backToOverview")}</a>
    </Message>
  );
}

function Side({ title, path }: { title: string; path: string }) {
  const here = (entry: Entry) => (entry.path === "/" ? path === "/" : path === entry.path || path.startsWith(entry.path + "/"));
  return (
    <nav class="side" aria-label={t("menu")}>
      <a class="brand" href="/">
        <Mark />
        <span>
          <b>{t("brand")}</b>
          <small>{title}</small>
        </span>
      </a>
      <ul>
        {ENTRIES.filter((entry) => entry.may()).map((entry) => (
          <li key={entry.path}>
            <a href={entry.path} aria-current={here(entry) ? "page" : undefined}>
              <Icon name={entry.icon} />
              <span>{t(entry.key)}</span>
              {entry.key === "alerts" && alerts.value.length > 0 && (
                <em class={alerts.value.some((a) => a.severity === "critical") ? "bad" : ""}>{alerts.value.length}</em>
              )}
            </a>
          </li>
        ))}
        <li class="apart"><a href="/wall"><Icon name="wall" /><span>{t("wall")}</span></a></li>
        <li><a href="/docs/index.html" target="_blank" rel="noopener"><Icon name="docs" /><span>{t("apiDocs")}</span></a></li>
      </ul>
    </nav>
  );
}

function Top() {
  const who = session.value?.user.replace(/^system:serviceaccount:/, "") ?? "";
  return (
    <>
      <header class="top">
        <Fresh />
        <span class="who" title={session.value?.user}>{who}</span>
        <button type="button" class="quiet" onClick={() => (language.value = language.value === "zh" ? "en" : "zh")} aria-label={`${language.value === "zh" ? "EN" : "中文"} · ${t("language")}`}>
          <Icon name="language" /> <span>{language.value === "zh" ? "EN" : "中文"}</span>
        </button>
        <button type="button" class="quiet" onClick={nextTheme} aria-label={`${t("theme")}: ${t(theme.value)}`}>
          <Icon name="theme" /> <span>{t(theme.value)}</span>
        </button>
        <button type="button" class="quiet" onClick={() => void signOut()} aria-label={t("signOut")}>
          <Icon name="signout" /> <span>{t("signOut")}</span>
        </button>
      </header>
      <div role="status" aria-live="polite">
        {stale.value && (
          <p class="banner">{t(stale.value === "link" ? "lostLink" : "lostController", { age: duration(age.value) })}</p>
        )}
      </div>
    </>
  );
}
