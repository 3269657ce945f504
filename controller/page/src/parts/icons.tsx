// Line icons of 20 by 20, drawn for this page.

const PATHS: Record<string, string> = {
  overview: "M3 16V9m5 7V4m5 12v-6m4 6V7",
  clouds: "M6 15h8.500a3 3 0 0 0 .4-5.970A4.500 4.500 0 0 0 6.200 7.600 3.750 3.750 0 0 0 6 15Z",
  sites: "M10 17s5-4.600 5-8.500a5 5 0 0 0-10 0C5 12.400 10 17 10 17Zm0-6.700a1.800 1.800 0 1 0 0-3.600 1.800 1.800 0 0 0 0 3.600Z",
  nodes: "M4 4.500h12v4H4zm0 7h12v4H4zM7 6.500h.01M7 13.500h.01",
  workloads: "M10 3l6 3.300v7L10 17l-6-3.700v-7Zm0 0v0M4 6.300l6 3.400 6-3.400M10 9.700V17",
  algorithms: "M4 15.500 10 4l6 11.500M6.400 11.500h7.200",
  alerts: "M10 3.500 17.500 16h-15Zm0 5v3.500m0 2.200v.01",
  wall: "M3 4.500h14v9H3zm5 12h4m-2-3v3",
  docs: "M7.500 5.500 3.500 10l4 4.500m5-9 4 4.500-4 4.500",
  theme: "M10 3.500v13a6.500 6.500 0 0 0 0-13Zm0 13a6.500 6.500 0 0 1 0-13",
  language: "M3 5.500h8M7 3.500v2m2.500 0C9 9 6.500 11.500 3.500 12.500m2-4.500c1 2 2.700 3.600 4.800 4.400M10.500 17l3-8 3 8m-5.100-2.500h4.200",
  signout: "M8 4H4v12h4m4-9 3 3-3 3m3-3H8",
  close: "M5 5l10 10M15 5 5 15",
  search: "M9 14.500a5.500 5.500 0 1 0 0-11 5.500 5.500 0 0 0 0 11Zm4-1.500 3.500 3.500",
  up: "M6 11.500 10 7l4 4.500",
  down: "M6 8.500 10 13l4-4.500",
  download: "M10 3.500v9m-3.500-3.500L10 12.500 13.500 9M4 16.500h12",
  copy: "M7.500 7.500h9v9h-9zm-4 5v-9h9",
};

export function Icon({ name }: { name: string }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={PATHS[name] ?? ""} />
    </svg>
  );
}

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <g stroke-linecap="round" stroke-width="3.200">
        <path class="rod arm64" d="M7 6v13M13 6v13" />
        <path class="rod amd64" d="M19 6v13" />
        <path class="rod gold" d="M25 6v13" />
        <path class="rod base" d="M6 26h20" />
      </g>
    </svg>
  );
}
