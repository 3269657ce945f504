// Rows that are read by page: fetched when the question changes, and again when the leader says that they changed.

import { useEffect, useState } from "preact/hooks";
import type { ReadonlySignal } from "@preact/signals";
import * as api from "./api";
import { link } from "./live";

const GATHER_MS = 700; // a rollout touches rows many times a second; the table need not follow each

export interface Fetched<T> {
  data: T | null;
  error: api.ApiError | null;
  busy: boolean;
  again: () => void;
}

export function useFetched<T>(path: string, version?: ReadonlySignal<number>): Fetched<T> {
  const [state, setState] = useState<{ data: T | null; error: api.ApiError | null; path: string }>({
    data: null,
    error: null,
    path: "",
  });
  const [round, setRound] = useState(0);
  const [busy, setBusy] = useState(true);
  const seen = version?.value ?? 0;
  useEffect(() => {
    const stop = new AbortController();
    const wait = state.path === path ? GATHER_MS : 0;
    const timer = setTimeout(() => {
      setBusy(true);
      api.get<T>(path, stop.signal).then(
        (data) => (setState({ data, error: null, path }), setBusy(false)),
        (error: unknown) => {
          if (!(error instanceof api.ApiError)) return;
          if (error.status === 401) link.value = "signedout";
          setState((old) => ({ data: old.path === path ? old.data : null, error, path }));
          setBusy(false);
        },
      );
    }, wait);
    return () => (clearTimeout(timer), stop.abort());
  }, [path, seen, round]);
  return { data: state.data, error: state.error, busy, again: () => setRound(round + 1) };
}
