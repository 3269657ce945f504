// A table that sorts by its headers, from the address, and turns pages where the API does the cutting.

import type { ComponentChildren } from "preact";
import { useAddress } from "../address";
import { number } from "../format";
import { t } from "../text";
import { Icon } from "./icons";

export interface Column<Row> {
  title: string;
  cell: (row: Row) => ComponentChildren;
  /** The word of the API's sort parameter, or any key where `value` sorts here. */
  sort?: string;
  value?: (row: Row) => string | number;
  numeric?: boolean;
  /** Left out on narrow screens. */
  wide?: boolean;
}

interface Props<Row> {
  columns: Column<Row>[];
  rows: Row[];
  id: (row: Row) => string;
  caption: string;
  /** Given where the API sorts and cuts. */
  paged?: { total: number; offset: number; limit: number };
}

export function Table<Row>({ columns, rows, id, caption, paged }: Props<Row>) {
  const address = useAddress();
  const sort = address.get("sort");
  const shown = paged ? rows : sorted(rows, columns, sort);
  return (
    <>
      <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
        <table>
          <caption class="hidden">{caption}</caption>
          <thead>
            <tr>{columns.map((column) => <Head key={column.title} column={column} sort={sort} set={address.set} />)}</tr>
          </thead>
          <tbody>
            {shown.map((row) => (
              <tr key={id(row)}>
                {columns.map((column) => (
                  <td key={column.title} class={`${column.numeric ? "number" : ""} ${column.wide ? "wide" : ""}`}>
                    {column.cell(row)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {paged && <Pages {...paged} set={address.set} />}
    </>
  );
}

function Head<Row>(props: { column: Column<Row>; sort: string; set: (values: Record<string, string>) => void }) {
  const { column, sort, set } = props;
  const state = sort === column.sort ? "ascending" : sort === "-" + column.sort ? "descending" : "none";
  const next = state === "ascending" ? "-" + column.sort : state === "descending" ? "" : (column.sort ?? "");
  const style = `${column.numeric ? "number" : ""} ${column.wide ? "wide" : ""}`;
  if (!column.sort) return <th scope="col" class={style}>{column.title}</th>;
  return (
    <th scope="col" class={style} aria-sort={state}>
      <button type="button" onClick={() => set({ sort: next })} title={t("sortBy", { column: column.title })}>
        {column.title}
        <span class={`turn ${state}`}><Icon name={state === "descending" ? "down" : "up"} /></span>
      </button>
    </th>
  );
}

function sorted<Row>(rows: Row[], columns: Column<Row>[], sort: string): Row[] {
  const column = columns.find((c) => c.sort && c.sort === sort.replace(/^-/, ""));
  if (!column?.value) return rows;
  const value = column.value;
  const turn = sort.startsWith("-") ? -1 : 1;
  return [...rows].sort((a, b) => (value(a) < value(b) ? -turn : value(a) > value(b) ? turn : 0));
}

function Pages(props: { total: number; offset: number; limit: number; set: (values: Record<string, string>) => void }) {
  const { total, offset, limit, set } = props;
  const to = Math.min(offset + limit, total);
  const go = (at: number) => set({ offset: at > 0 ? String(at) : "" });
  return (
    <nav class="pages" aria-label={t("range", { from: number(offset + 1), to: number(to), total: number(total) })}>
      <span>{t("range", { from: number(Math.min(offset + 1, total)), to: number(to), total: number(total) })}</span>
      <button type="button" disabled={offset === 0} onClick={() => go(offset - limit)}>{t("previous")}</button>
      <button type="button" disabled={to >= total} onClick={() => go(offset + limit)}>{t("next")}</button>
    </nav>
  );
}
