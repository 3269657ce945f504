// What the API answers, field by field as in its OpenAPI document (a test compares the two).
// Resources are whole numbers, cpu in millicores; units are compute units times a thousand; times are Unix seconds.

export type Resources = Record<string, number>;

export interface Names {
  zh: string;
  en: string;
}
export interface Position {
  eastE6: number;
  northE6: number;
}
export interface District {
  code: string;
  displayName: Names;
  position: Position | null;
}
export interface FamilyUnits {
  family: string;
  milliUnitsPerCore: number;
  source: string;
}
export interface AcceleratorUnits {
  resource: string;
  model: string;
  milliUnits: number;
  gigaflopsFp16: number;
  gigaopsInt8: number;
  source: string;
}
export interface Domestic {
  families: string[];
  oses: string[];
}
export interface Centre {
  displayName: Names;
  districts: District[];
  tableVersion: string;
  families: FamilyUnits[];
  accelerators: AcceleratorUnits[];
  domestic: Domestic;
}
export interface Units {
  generalMilli: number;
  intelligentMilli: number;
  gigaflopsFp16: number;
  gigaopsInt8: number;
}
export interface Capacity {
  key: string;
  nodes: number;
  readyNodes: number;
  allocatable: Resources;
  capacity: Resources;
  requested: Resources;
  largestFree: Resources;
  units: Units;
  capacityUnits: Units;
  requestedUnits: Units;
  domestic: boolean;
}
export interface Condition {
  type: string;
  status: string;
  reason: string;
  message: string;
  since: number;
}
export interface Cloud {
  name: string;
  tier: string;
  district: string;
  provider: string;
  zone: string;
  clearance: string;
  cordoned: boolean;
  local: boolean;
  ready: Condition | null;
  version: string;
  nodes: number;
  readyNodes: number;
  classes: Capacity[];
  rttMicroseconds: number | null;
  credentialExpires: number | null;
  created: number;
}
export interface Site {
  name: string;
  tier: string;
  district: string;
  provider: string;
  clearance: string;
  cordoned: boolean;
  offlineMode: string;
  ready: Condition | null;
  boxes: number;
  readyBoxes: number;
  nextCertificateExpiry: number | null;
  classes: Capacity[];
  created: number;
}
export interface Node {
  target: string;
  name: string;
  classKey: string;
  ready: boolean;
  cordoned: boolean;
  isaLevel: string;
  pageSizeKib: number;
  osImage: string;
  kernel: string;
  kubelet: string;
  allocatable: Resources;
  capacity: Resources;
  requested: Resources;
  certificateExpires: number | null;
  created: number;
}
export interface Placement {
  target: string;
  variant: string;
  replicas: number;
  readyReplicas: number;
  succeeded: number;
  failed: number;
}
export interface Reason {
  reason: string;
  nodes: number;
  message: string;
}
export interface Workload {
  namespace: string;
  name: string;
  type: string;
  replicas: number;
  readyReplicas: number;
  unplacedReplicas: number;
  suspended: boolean;
  dataGrade: string;
  priorityClass: string;
  algorithm: string;
  variants: string[];
  placements: Placement[];
  unplaced: Reason[];
  conditions: Condition[];
  created: number;
}
export interface Throughput {
  classKey: string;
  perReplica: number;
  unit: string;
  source: string;
}
export interface AlgorithmVersion {
  version: string;
  variants: string[];
  throughput: Throughput[];
}
export interface Algorithm {
  name: string;
  displayName: Names;
  category: string;
  versions: AlgorithmVersion[];
  workloads: number;
  replicas: number;
  ready: Condition | null;
}
export interface Total {
  key: Record<string, string>;
  nodes: number;
  readyNodes: number;
  allocatable: Resources;
  capacity: Resources;
  requested: Resources;
  largestFree: Resources;
  units: Units;
  capacityUnits: Units;
  requestedUnits: Units;
  domesticMilli: number;
  domesticPermille: number;
}
export interface Alert {
  reason: string;
  severity: "critical" | "warning";
  subject: string;
  value: number;
  since: number;
  message: string;
}
export interface Counts {
  clouds: number;
  readyClouds: number;
  sites: number;
  readySites: number;
  nodes: number;
  readyNodes: number;
  workloads: number;
  unplacedWorkloads: number;
  replicas: number;
  readyReplicas: number;
  algorithms: number;
}
export interface Allowed {
  totals: boolean;
  clouds: boolean;
  sites: boolean;
  algorithms: boolean;
  workloads: boolean;
  namespaces: string[];
  totalsOnly: boolean;
}
export interface Session {
  user: string;
  expires: number;
  allowed: Allowed;
}
export interface Freshness {
  heardAt: number;
  now: number;
  connected: boolean;
}
export interface Sample {
  at: number;
  key: string;
  generalMilli: number;
  generalRequestedMilli: number;
  intelligentMilli: number;
  intelligentRequestedMilli: number;
  nodes: number;
  readyNodes: number;
}
export interface History {
  by: string;
  stepSeconds: number;
  source: "local" | "prometheus";
  items: Sample[];
}
export interface Problem {
  reason: string;
  message: string;
}
export interface Page<Row> {
  total: number;
  offset: number;
  limit: number;
  items: Row[];
}
export interface Touched {
  nodes: string[] | null;
  workloads: string[] | null;
}
export interface LiveSnapshot {
  kind: "snapshot";
  sequence: number;
  freshness: Freshness;
  allowed: Allowed;
  centre: Centre | null;
  cells: Total[];
  counts: Counts;
  clouds: Cloud[];
  sites: Site[];
  algorithms: Algorithm[];
  alerts: Alert[];
}
export interface LiveDelta {
  kind: "delta";
  sequence: number;
  freshness: Freshness;
  centre?: Centre | null;
  cells?: Total[];
  cellsGone?: Record<string, string>[];
  counts?: Counts;
  clouds?: Cloud[];
  sites?: Site[];
  algorithms?: Algorithm[];
  gone?: string[];
  alerts?: Alert[];
  touched?: Touched;
}
export interface LiveBeat {
  kind: "beat";
  sequence: number;
  freshness: Freshness;
}
export type LiveFrame = LiveSnapshot | LiveDelta | LiveBeat;
