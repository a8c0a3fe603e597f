import assert from "node:assert/strict";
import { test } from "node:test";
import { Course } from "./timeline";

/** Two days: three segments here, a gap of two, three elsewhere; hours at 0 and at 10 s. */
const ANSWER = {
  duration_ms: 16_000,
  ended: true,
  spans: [
    { state: "held", media_sequence: 4, segments: 3, from_ms: 0, duration_ms: 6000 },
    { state: "gap", media_sequence: 7, segments: 2, from_ms: 6000, duration_ms: 4000 },
    { state: "elsewhere", media_sequence: 9, segments: 3, from_ms: 10_000, duration_ms: 6000 },
  ],
  hours: [
    { media_sequence: 4, from_ms: 0, program_date_time: 1_000_000, period: "2026-11-21T23Z", complete: true },
    { media_sequence: 9, from_ms: 10_000, program_date_time: 1_500_000, period: "2026-11-22T00Z", complete: false },
  ],
  days: [
    { date: "2026-11-21", from_ms: 0 },
    { date: "2026-11-22", from_ms: 10_000 },
  ],
};

function course(change: object = {}): Course {
  const read = Course.parse({ ...ANSWER, ...change });
  assert.ok(read);
  return read;
}

test("moments, segments and dates are found on the time line", () => {
  const read = course();
  const states = [0, 5.9, 6, 9.9, 10, 99].map((at) => read.spanAt(at)?.state);
  assert.deepEqual(states, ["held", "held", "gap", "gap", "elsewhere", "elsewhere"]);
  assert.deepEqual([4, 6, 7, 11, 13].map((sequence) => read.offsetOf(sequence)), [0, 4, 6, 14, 18]);
  assert.equal(read.offsetOf(3), undefined);
  assert.deepEqual(read.segmentAt(12.5), { sequence: 10, start: 12, duration: 2 });
  assert.deepEqual(read.segmentAt(99), { sequence: 11, start: 14, duration: 2 });
  assert.deepEqual([0, 9, 10, 50].map((at) => read.hourAt(at)), [0, 0, 1, 1]);
  assert.deepEqual(read.days.map(({ from, to }) => [from, to]), [[0, 10], [10, 16]]);
  assert.equal(read.dayAt(12)?.date, "2026-11-22");
});

test("dates are told within the hour that has them, and never across the next", () => {
  const read = course();
  assert.equal(read.dateAt(3), 1_003_000);
  assert.equal(read.dateAt(12), 1_502_000);
  assert.equal(read.offsetOfDate(1_003_000), 3);
  assert.equal(read.offsetOfDate(1_400_000), 10, "nothing was sent then: what comes next");
  assert.equal(read.offsetOfDate(999_999), undefined);
  const undated = course({ hours: ANSWER.hours.map((hour) => ({ ...hour, program_date_time: null })) });
  assert.equal(undated.dateAt(3), null);
  assert.equal(undated.offsetOfDate(1_003_000), undefined);
});

test("what is no answer of a node is none", () => {
  assert.equal(course({ spans: [], hours: [], days: [] }).spanAt(3), undefined);
  for (const wrong of [
    undefined,
    null,
    [],
    "text",
    { ...ANSWER, ended: "yes" },
    { ...ANSWER, duration_ms: -1 },
    { ...ANSWER, spans: undefined },
    { ...ANSWER, spans: [{ ...ANSWER.spans[0], state: "lost" }] },
    { ...ANSWER, spans: [{ ...ANSWER.spans[0], segments: 1.5 }] },
    { ...ANSWER, hours: [{ ...ANSWER.hours[0], program_date_time: "now" }] },
    { ...ANSWER, days: [{ date: 5, from_ms: 0 }] },
    { ...ANSWER, days: [null] },
    { ...ANSWER, spans: Array.from({ length: 10_001 }, () => ANSWER.spans[0]) },
  ]) {
    assert.equal(Course.parse(wrong), undefined, JSON.stringify(wrong)?.slice(0, 80));
  }
});
