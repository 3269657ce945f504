// Search and choices above a table; what is chosen stands in the address.

import { useEffect, useRef, useState } from "preact/hooks";
import { useAddress } from "../address";
import { type Key, t } from "../text";
import { Icon } from "./icons";

export interface Choice {
  name: string;
  title: Key;
  options: [value: string, text: string][];
}

const TYPING_MS = 250;

export function Filters({ choices, children }: { choices: Choice[]; children?: preact.ComponentChildren }) {
  const address = useAddress();
  const any = ["q", ...choices.map((choice) => choice.name)].some((name) => address.get(name));
  const clear = () => address.set(Object.fromEntries(["q", ...choices.map((c) => c.name)].map((name) => [name, ""])));
  return (
    <form class="filters" role="search" aria-label={t("filters")} onSubmit={(event) => event.preventDefault()}>
      <Search value={address.get("q")} set={(q) => address.set({ q })} />
      {choices.map((choice) => (
        <label key={choice.name}>
          <span>{t(choice.title)}</span>
          <select
            name={choice.name}
            value={address.get(choice.name)}
            class={address.get(choice.name) ? "chosen" : ""}
            onChange={(event) => address.set({ [choice.name]: event.currentTarget.value })}
          >
            <option value="">{t("all")}</option>
            {choice.options.map(([value, text]) => <option key={value} value={value}>{text}</option>)}
          </select>
        </label>
      ))}
      {any && <button type="button" class="quiet" onClick={clear}><Icon name="close" /> {t("clearFilters")}</button>}
      {children}
    </form>
  );
}

function Search({ value, set }: { value: string; set: (text: string) => void }) {
  const [text, setText] = useState(value);
  const typed = useRef(value);
  useEffect(() => {
    if (value !== typed.current) setText((typed.current = value));
  }, [value]);
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => set((typed.current = text)), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <label class="search">
      <Icon name="search" />
      <span class="hidden">{t("search")}</span>
      <input
        type="search"
        name="q"
        value={text}
        placeholder={t("search")}
        maxLength={100}
        onInput={(event) => setText(event.currentTarget.value)}
      />
    </label>
  );
}

export function YES_NO(): [string, string][] {
  return [["true", t("yes")], ["false", t("no")]];
}
