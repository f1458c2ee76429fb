/** The server's answers. Their types are generated from `api.schema.json`, which the tests of the server use too. */

import type {
  Answers,
  Comparison,
  Curve,
  CurveName,
  Example,
  Failure,
  Heuristics,
  Inside,
  Judged,
  LayerMap,
  Report,
  Review,
  Runs,
  Several,
  Sweep,
  Thresholds,
} from "./api.types";

export type * from "./api.types";

/** An answer that is not 200; the message is the server's sentence. */
export class ServerError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

async function get<T>(route: string, parameters: Record<string, string | number | string[]> = {}): Promise<T> {
  const query = new URLSearchParams(
    Object.entries(parameters).flatMap(([key, value]) => [value].flat().map((one) => [key, String(one)])),
  ).toString();
  // relative to the page's <base href="plugin/scram/">, so that path prefixes and proxies work
  const response = await fetch(query ? `${route}?${query}` : route, { cache: "no-cache" });
  if (!response.ok) {
    const sentence = await response.json().then(
      (body: Failure) => body.error,
      () => undefined,
    );
    throw new ServerError(response.status, sentence ?? `TensorBoard answered with status ${response.status}.`);
  }
  return (await response.json()) as T;
}

export const fetchRuns = (since: string) => get<Runs>("runs", since ? { since } : {});
export const fetchReview = (run: string) => get<Review>("review", { run });
export const fetchComparison = (run: string, other: string) => get<Comparison>("compare", { run, with: other });
export const fetchSeveral = (runs: string[]) => get<Several>("several", { run: runs });
export const fetchSweep = (program: string) => get<Sweep>("sweep", program ? { program } : {});
export const fetchAnswers = (run: string) => get<Answers>("why", { run });
export const fetchInside = (run: string) => get<Inside>("inside", { run });
export const fetchLayerMap = (run: string, quantity: string) => get<LayerMap>("layer_map", { run, quantity });
export const fetchReport = (run: string) => get<Report>("report", { run });
export const fetchThresholds = (run: string, heuristic: string) => get<Thresholds>("thresholds", { run, heuristic });
export const fetchJudged = (run: string, heuristic: string, option: string, value: number) =>
  get<Judged>("judge", { run, heuristic, option, value });
export const fetchExample = (heuristic: string) => get<Example>("example", { heuristic });
export const fetchHeuristics = () => get<Heuristics>("heuristics");
export const fetchCurve = (run: string, curve: CurveName, points: number, part: { from?: number; to?: number }) =>
  get<Curve>("curve", { run, tb_run: curve.tensorboard_run, tag: curve.tag, points, ...part });
