/** The warmup's latencies, one row for each level: the first request, the median, the 95th percentile, the last. */

import { WarmupReport } from "./api";
import { makeSvg } from "./dom";
import { duration, niceCeiling } from "./format";

const WIDTH = 360;
const LEFT = 84;
const RIGHT = 14;
const ROW = 34;
const TOP = 8;
const AXIS = 34;

/** A shape for each figure, so that none is told by colour only. */
function marker(kind: "first" | "p50" | "p95" | "last", x: number, y: number, title: string): SVGElement {
  const shape = {
    first: () => makeSvg("path", { d: `M${x} ${y - 6}l6 6l-6 6l-6 -6z` }),
    p50: () => makeSvg("circle", { cx: x, cy: y, r: 4.5 }),
    p95: () => makeSvg("path", { d: `M${x} ${y - 8}v16` }),
    last: () => makeSvg("path", { d: `M${x - 4} ${y - 5}l8 5l-8 5z` }),
  }[kind]();
  shape.setAttribute("class", `mark ${kind}`);
  shape.append(makeSvg("title", {}, title));
  return shape;
}

export function drawWarmup(report: WarmupReport): SVGElement {
  const levels = report.levels;
  const bottom = TOP + levels.length * ROW;
  const most = niceCeiling(Math.max(report.steady_ms, ...levels.flatMap((each) => [each.first_ms, each.p50_ms, each.p95_ms, each.last_ms])));
  const x = (ms: number) => LEFT + (ms / most) * (WIDTH - LEFT - RIGHT);
  const told = levels.map((each) => `level ${each.level}: first ${duration(each.first_ms)}, median ${duration(each.p50_ms)}, ` +
    `95 % within ${duration(each.p95_ms)}, last ${duration(each.last_ms)}`);
  const svg = makeSvg("svg", { viewBox: `0 0 ${WIDTH} ${bottom + AXIS}`, role: "img", "aria-label": `Latency of requests while warming up. ${told.join("; ")}.` });

  for (const part of [0, 0.25, 0.5, 0.75, 1]) {
    svg.append(makeSvg("path", { class: "grid", d: `M${x(most * part)} ${TOP}V${bottom}` }));
    if (part % 0.5 === 0) {
      const unit = most >= 1000 ? `${most * part / 1000}` : `${Number((most * part).toPrecision(3))}`;
      svg.append(makeSvg("text", { class: "tick", x: x(most * part), y: bottom + 14, "text-anchor": part === 1 ? "end" : "middle" }, unit));
    }
  }
  svg.append(makeSvg("text", { class: "tick", x: (LEFT + WIDTH - RIGHT) / 2, y: bottom + 29, "text-anchor": "middle" },
                     `latency of one request, ${most >= 1000 ? "s" : "ms"}`));
  if (report.steady_ms > 0) {
    svg.append(makeSvg("path", { class: "steady", d: `M${x(report.steady_ms)} ${TOP}V${bottom}` },
                       makeSvg("title", {}, `steady: ${duration(report.steady_ms)}`)));
  }
  levels.forEach((each, row) => {
    const y = TOP + row * ROW + ROW / 2;
    svg.append(makeSvg("text", { class: "row", x: 0, y: y - 1 }, `${each.level} ${each.name}`));
    svg.append(makeSvg("text", { class: "tick", x: 0, y: y + 12 }, each.inferences === 1 ? "1 request" : `${each.inferences} requests`));
    svg.append(makeSvg("path", { class: "spread", d: `M${x(each.p50_ms)} ${y}H${x(each.p95_ms)}` }));
    const figures: ["first" | "p50" | "p95" | "last", number, string][] = each.inferences === 1
      ? [["first", each.first_ms, "the only request"]]
      : [["p95", each.p95_ms, "95 % within"], ["p50", each.p50_ms, "median"], ["last", each.last_ms, "last"], ["first", each.first_ms, "first"]];
    for (const [kind, ms, name] of figures) svg.append(marker(kind, x(ms), y, `level ${each.level}, ${name}: ${duration(ms)}`));
  });
  return svg;
}

/** One sample of how busy the slots were. */
export interface Sample {
  at: number;  // seconds
  busy: number;
  waiting: number;
}

/** What the plot's height stands for. */
export function mostLoad(samples: Sample[], slots: number): number {
  return Math.max(1, slots, ...samples.map((each) => each.busy + each.waiting));
}

/** Slots and queue of the last `seconds`. Fills its box, whatever its shape. */
export function drawLoad(samples: Sample[], slots: number, seconds: number): SVGElement {
  const height = 100;
  const now = samples.at(-1)?.at ?? 0;
  const most = mostLoad(samples, slots);
  const x = (at: number) => (WIDTH * (1 - (now - at) / seconds)).toFixed(1);
  const y = (value: number) => (height * (1 - value / most)).toFixed(1);
  const area = (value: (each: Sample) => number) => {
    const first = samples[0];
    if (!first) return "";
    const steps = samples.map((each) => `H${x(each.at)}V${y(value(each))}`).join("");
    return `M${x(first.at)} ${height}${steps}V${height}Z`;
  };
  const busiest = Math.max(0, ...samples.map((each) => each.busy));
  return makeSvg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, preserveAspectRatio: "none", role: "img",
                          "aria-label": `Slots in the last two minutes: at most ${busiest} of ${slots} busy` },
                 makeSvg("path", { class: "waiting", d: area((each) => each.busy + each.waiting) }),
                 makeSvg("path", { class: "busy", d: area((each) => each.busy) }),
                 makeSvg("path", { class: "grid", d: `M0 ${height}H${WIDTH}M0 0H${WIDTH}` }));
}
