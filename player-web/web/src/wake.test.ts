import assert from "node:assert/strict";
import { test } from "node:test";
import { Wake } from "./wake";

/** A page and its clock. */
function page(t: { mock: typeof import("node:test").mock }) {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const around = {
    document: Object.assign(new EventTarget(), { visibilityState: "visible" as DocumentVisibilityState }),
    window: new EventTarget(),
    time: 1_000_000,
    now: () => around.time,
  };
  const slept: number[] = [];
  const wake = new Wake((ms) => slept.push(ms), around as never);
  const show = (state: DocumentVisibilityState) => {
    around.document.visibilityState = state;
    around.document.dispatchEvent(new Event("visibilitychange"));
  };
  return { around, slept, wake, show };
}

test("an hour in a pocket is told when the page is looked at again", (t) => {
  const { around, slept, show } = page(t);
  show("hidden");
  around.time += 3_600_000;
  show("visible");
  assert.deepEqual(slept, [3_600_000]);
  show("hidden");
  around.time += 1000;
  show("visible");
  assert.deepEqual(slept, [3_600_000, 1000]);
});

test("a machine that was asleep is known by its clock", (t) => {
  const { around, slept } = page(t);
  for (let tick = 0; tick < 5; tick += 1) {
    around.time += 5000;
    t.mock.timers.tick(5000);
  }
  assert.deepEqual(slept, []);
  around.time += 600_000;
  t.mock.timers.tick(5000);
  assert.deepEqual(slept, [595_000]);
});

test("a network that is back, or a page from the cache, is looked at at once; one that is gone never", (t) => {
  const { around, slept, wake } = page(t);
  around.window.dispatchEvent(new Event("online"));
  around.window.dispatchEvent(new Event("pageshow"));
  around.document.dispatchEvent(new Event("resume"));
  assert.deepEqual(slept, [0, 0, 0]);
  wake.stop();
  around.window.dispatchEvent(new Event("online"));
  around.time += 600_000;
  t.mock.timers.tick(600_000);
  assert.equal(slept.length, 3);
});
