/** The server's answers, as the JSON contract of `scram check --format json` and the routes describe them. */

export type Severity = "error" | "warning" | "info";
export type Confidence = "certain" | "likely" | "possible";

export interface Headline {
  kind: "trouble" | "info" | "early" | "fine" | "unknown";
  text: string;
}

export interface RunEntry {
  name: string;
  counts: Record<Severity, number>;
  headline: Headline;
  state: "live" | "finished";
  /** A letter for each heuristic, in the order of the catalogue: see `matrix.ts`. */
  outcomes: string;
  fingerprint: string;
}

export interface Runs {
  /** All runs, or those that changed since the cursor that was sent. */
  runs: RunEntry[];
  /** Names of runs that are gone since then; null where `runs` are all. */
  removed: string[] | null;
  cursor: string;
  progress: { done: number; total: number; looked: boolean; read: { done: number; total: number } };
  logdir: string;
  version: string;
  notes: string[];
}

export interface CurveName {
  tensorboard_run: string;
  tag: string;
}

export interface Edit {
  file: string;
  line: number;
  before: string;
  after: string;
}

export interface Fix {
  cause: string;
  title: string;
  text: string;
  framework: string;
  code: string;
  edit: Edit | null;
}

export interface Cause {
  id: string;
  title: string;
  for: string;
  against: string;
}

export interface Finding {
  heuristic: string;
  severity: Severity;
  confidence: Confidence;
  title: string;
  summary: string;
  steps: { first: number; last: number; axis: string };
  curves: CurveName[];
  evidence: Record<string, unknown>;
  bad_step: number | null;
  best_step: number | null;
  explained_by: string | null;
  causes: Cause[];
  fixes: Fix[];
}

export interface Review {
  name: string;
  tensorboard_runs: string[];
  framework: string | null;
  notes: string[];
  headline: Headline;
  findings: Finding[];
  passed: string[];
  /** Which curve was taken for which signal. */
  signals: Record<string, CurveName & { axis: string }>;
  inconclusive: { heuristic: string; reason: string; early: boolean }[];
  not_checked: { heuristic: string; reason: string; how: string }[];
}

export interface ShortFinding {
  severity: Severity;
  confidence: Confidence;
  title: string;
  explained_by: string | null;
}

export type Change = "gone" | "came" | "stayed" | "unsure";

export interface CurveEnd extends CurveName {
  last: WireNumber;
  last_step: number;
  best: WireNumber | null;
  best_step: number | null;
}

/** What became of one training run's findings in another, and what differs. */
export interface Comparison {
  before: string;
  after: string;
  verdict: { kind: "fixed" | "better" | "worse" | "mixed" | "unsure" | "same"; text: string };
  findings: { heuristic: string; change: Change; before: ShortFinding | null; after: ShortFinding | null; reason: string }[];
  curves: { signal: string; axis: string; before: CurveEnd; after: CurveEnd }[];
  facts: { name: string; before: string | null; after: string | null }[];
  facts_missing: string[];
  layers: { before: string; after: string } | null;
  code: { before: string; after: string } | null;
}

export interface AnswerStep {
  text: string;
  curve: CurveName | null;
  axis: string;
  span: [number, number] | null;
  at: number | null;
  code: { file: string; line: number; text: string } | null;
}

export interface Answer {
  id: string;
  question: string;
  steps: AnswerStep[];
  kind: "cause" | "open" | "fine";
  conclusion: string;
  heuristic: string | null;
  how: string;
}

/** Non-finite numbers travel as strings. */
export type WireNumber = number | "NaN" | "Infinity" | "-Infinity";

export interface Curve {
  steps: number[];
  wall_times: WireNumber[];
  values: WireNumber[];
  total: number;
  decimated: boolean;
}

export interface HeuristicPage {
  id: string;
  group: string;
  title: string;
  title_passed: string;
  needs: string[];
  options: { name: string; value: unknown; default: unknown; help: string }[];
  sections: Record<string, string>;
  causes: { id: string; title: string; text: string }[];
  fixes: { cause: string; title: string; text: string; snippets: { framework: string; code: string }[] }[];
}

/** An answer that is not 200; the message is the server's sentence. */
export class ServerError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

async function get<T>(route: string, parameters: Record<string, string | number> = {}): Promise<T> {
  const query = new URLSearchParams(Object.entries(parameters).map(([key, value]) => [key, String(value)])).toString();
  // relative to the page's <base href="plugin/scram/">, so that path prefixes and proxies work
  const response = await fetch(query ? `${route}?${query}` : route, { cache: "no-cache" });
  if (!response.ok) {
    const sentence = await response.json().then(
      (body: { error?: string }) => body.error,
      () => undefined,
    );
    throw new ServerError(response.status, sentence ?? `TensorBoard answered ${response.status}.`);
  }
  return (await response.json()) as T;
}

export const fetchRuns = (since: string) => get<Runs>("runs", since ? { since } : {});
export const fetchReview = (run: string) => get<Review>("review", { run });
export const fetchComparison = (run: string, other: string) => get<Comparison>("compare", { run, with: other });
export const fetchAnswers = (run: string) => get<{ questions: Answer[] }>("why", { run });
export const fetchHeuristics = () => get<{ heuristics: HeuristicPage[] }>("heuristics");
export const fetchCurve = (run: string, curve: CurveName, points: number, part: { from?: number; to?: number }) =>
  get<Curve>("curve", { run, tb_run: curve.tensorboard_run, tag: curve.tag, points, ...part });
