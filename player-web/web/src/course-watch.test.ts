import assert from "node:assert/strict";
import { test } from "node:test";
import { CourseWatch } from "./course-watch";
import { Course } from "./timeline";

type Answer = Awaited<ReturnType<ConstructorParameters<typeof CourseWatch>[0]["course"]>>;

function course(ended: boolean, state: "held" | "elsewhere"): Course {
  const spans = [{ state, media_sequence: 0, segments: 1, from_ms: 0, duration_ms: 2000 }];
  const read = Course.parse({ duration_ms: 2000, ended, spans, hours: [], days: [] });
  assert.ok(read);
  return read;
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

function watch(t: { mock: typeof import("node:test").mock }, answers: Answer[]) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const seen = { asked: 0, told: 0 };
  const api = {
    course: async () => {
      seen.asked += 1;
      return answers.shift() ?? { retryMs: undefined };
    },
  };
  return { seen, watch: new CourseWatch(api, () => (seen.told += 1)) };
}

test("a course is asked for again while it changes, and when the node says so", async (t) => {
  const answers = [{ retryMs: 8000 }, course(false, "held"), course(true, "elsewhere"), course(true, "held")];
  const { seen, watch: watched } = watch(t, answers);
  void watched.look();
  await settle();
  for (const [ms, asked, told] of [
    [7999, 1, 0],
    [1, 2, 1],
    [20_000, 3, 2],
    [20_000, 4, 3],
    [299_999, 4, 3],
    [1, 5, 3],
  ] as const) {
    t.mock.timers.tick(ms);
    await settle();
    assert.deepEqual([seen.asked, seen.told], [asked, told], `${ms} ms`);
  }
});

test("it is asked for once at a time, and no more once it is stopped", async (t) => {
  const { seen, watch: watched } = watch(t, [course(false, "held")]);
  void watched.look();
  void watched.look();
  await settle();
  assert.equal(seen.asked, 1);
  watched.stop();
  t.mock.timers.tick(600_000);
  await settle();
  assert.equal(seen.asked, 1);
});
