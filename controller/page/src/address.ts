// The address holds what is filtered, sorted and shown, so that a link shows the same to the next person.

import { useLocation } from "preact-iso";

export interface Address {
  get: (name: string) => string;
  /** Sets some parameters; "" takes one away. Anything but a page number starts again from the first page. */
  set: (values: Record<string, string>) => void;
  query: string;
}

export function useAddress(): Address {
  const { path, query, route } = useLocation();
  const text = new URLSearchParams(query).toString();
  return {
    query: text,
    get: (name) => query[name] ?? "",
    set: (values) => {
      const params = new URLSearchParams(text);
      if (!("offset" in values)) params.delete("offset");
      for (const [name, value] of Object.entries(values)) value ? params.set(name, value) : params.delete(name);
      const tail = params.toString();
      route(path + (tail ? "?" + tail : ""), true);
    },
  };
}
