import assert from "node:assert/strict";
import { test } from "node:test";
import type { EngineEvents } from "./engine";
import { NativeEngine } from "./native-engine";

/** As much of a video element as the engine touches. */
class FakeVideo extends EventTarget {
  src = "";
  duration = Number.NaN;
  currentTime = 0;
  plays = 0;
  edge: number | undefined;
  get seekable() {
    return { length: this.edge === undefined ? 0 : 1, end: () => this.edge };
  }
  canPlayType(type: string) {
    return type === "application/vnd.apple.mpegurl" ? "maybe" : "";
  }
  play() {
    this.plays += 1;
    return Promise.resolve();
  }
  removeAttribute() {
    this.src = "";
  }
  load() {}
}

/** Plays against a node that gives these answers, one after the other; says what the engine told. */
function play(t: { mock: typeof import("node:test").mock }, answers: (Response | Error)[]) {
  const fake = new FakeVideo();
  const told: string[] = [];
  const events: EngineEvents = {
    playlist: (ended) => told.push(ended ? "ended" : "live"),
    notYet: () => told.push("not yet"),
    unreachable: () => told.push("unreachable"),
    arrived: () => told.push("arrived"),
    gap: () => told.push("gap"),
    choices: () => undefined,
    unplayable: () => told.push("unplayable"),
  };
  const asked = t.mock.method(globalThis, "fetch", async () => {
    const answer = answers.shift();
    if (answer instanceof Response) return answer;
    throw answer ?? new Error("asked once too often");
  });
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const video = fake as unknown as HTMLVideoElement;
  const engine = new NativeEngine(video, { url: "/hls/x/index.m3u8" }, events);
  return { fake, video, told, engine, asked: () => asked.mock.callCount() };
}

/** Lets what was promised happen. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

test("the browser's own HLS gets the playlist once the node has it", async (t) => {
  const busy = new Response("", { status: 503, headers: { "Retry-After": "8" } });
  const { fake, video, told, asked } = play(t, [busy, new Error("no route"), new Response("#EXTM3U")]);
  assert.equal(NativeEngine.isSupported(video), true);
  await settle();
  t.mock.timers.tick(7999);
  await settle();
  assert.equal(asked(), 1, "Retry-After is waited for");
  t.mock.timers.tick(1);
  await settle();
  assert.deepEqual(told, ["not yet", "unreachable"]);
  assert.equal(fake.src, "", "nothing is played before it is there");
  t.mock.timers.tick(1000);
  await settle();
  assert.equal(fake.src, "/hls/x/index.m3u8");
  assert.equal(fake.plays, 1);
});

test("a push brings the next try forward, and only that", async (t) => {
  const { fake, engine, asked } = play(t, [new Response("", { status: 503 }), new Response("#EXTM3U")]);
  await settle();
  engine.refresh();
  t.mock.timers.tick(0);
  await settle();
  assert.equal(fake.plays, 1);
  engine.refresh();
  t.mock.timers.tick(60_000);
  assert.equal(asked(), 2, "the browser reloads by its own clock");
});

test("a live list has an edge, an ended one does not; a fault loads again", async (t) => {
  const { fake, engine, told, asked } = play(t, [new Response("#EXTM3U"), new Response("#EXTM3U")]);
  await settle();
  assert.equal(engine.behind(), null, "nothing is known yet");
  fake.duration = Number.POSITIVE_INFINITY;
  fake.edge = 60;
  fake.currentTime = 15;
  fake.dispatchEvent(new Event("durationchange"));
  assert.deepEqual([engine.behind(), engine.ahead(), engine.reserve()], [45, 45, 0]);
  fake.dispatchEvent(new Event("error"));
  t.mock.timers.tick(1000);
  await settle();
  assert.equal(asked(), 2);
  fake.duration = 60;
  fake.dispatchEvent(new Event("durationchange"));
  assert.equal(engine.behind(), null);
  assert.deepEqual(told, ["live", "ended"]);
});

test("nothing is heard of one that was destroyed", async (t) => {
  const { fake, engine, told, asked } = play(t, [new Error("no route")]);
  engine.destroy();
  await settle();
  fake.dispatchEvent(new Event("error"));
  t.mock.timers.tick(60_000);
  await settle();
  assert.deepEqual([told, asked(), fake.plays], [[], 1, 0]);
});
