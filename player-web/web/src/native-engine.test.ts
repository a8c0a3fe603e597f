import assert from "node:assert/strict";
import { test } from "node:test";
import type { EngineEvents } from "./engine";
import { NativeEngine } from "./native-engine";

/** As much of a video element as the engine touches. */
class FakeVideo extends EventTarget {
  src = "";
  duration = Number.NaN;
  currentTime = 0;
  paused = false;
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
function play(t: { mock: typeof import("node:test").mock }, answers: (Response | Error)[], startAt?: number) {
  const fake = new FakeVideo();
  const told: string[] = [];
  const events: EngineEvents = {
    playlist: (ended) => told.push(ended ? "ended" : "live"),
    notYet: () => told.push("not yet"),
    unreachable: () => told.push("unreachable"),
    arrived: () => told.push("arrived"),
    choices: () => undefined,
    unplayable: () => told.push("unplayable"),
  };
  const asked = t.mock.method(globalThis, "fetch", async () => {
    const answer = answers.shift();
    if (answer instanceof Response) return answer;
    throw answer ?? new Error("asked once too often");
  });
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const video = fake as unknown as HTMLVideoElement;
  const engine = new NativeEngine(video, { url: "/hls/x/index.m3u8", ...(startAt !== undefined && { startAt }) }, events);
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

/** A live playlist of so many segments. */
const live = (segments: number) => new Response(`#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:4\n${"#EXTINF:2,\nx.m4s\n".repeat(segments)}`);

test("a browser that names an end of what is live is not believed, until the playlist says so", async (t) => {
  const ended = new Response("#EXTM3U\n#EXTINF:2,\n1.m4s\n#EXT-X-ENDLIST\n");
  const { fake, engine, told, asked } = play(t, [live(1), live(2), ended]);
  await settle();
  fake.duration = 4;
  fake.edge = 6;
  fake.dispatchEvent(new Event("durationchange"));
  assert.deepEqual([told, engine.behind()], [["live"], 6]);
  t.mock.timers.tick(5000);
  await settle();
  assert.deepEqual([asked(), told.length], [2, 1], "nothing has changed");
  t.mock.timers.tick(5000);
  await settle();
  assert.deepEqual([asked(), told.at(-1), engine.behind()], [3, "ended", null]);
  t.mock.timers.tick(60_000);
  assert.equal(asked(), 3, "an end is the end");
});

test("what a browser tells again and again of one list is told on once", async (t) => {
  const { fake, told, asked } = play(t, [live(1), live(3)]);
  await settle();
  for (const duration of [0.1, 0.2, 0.3]) {
    fake.duration = duration;
    fake.dispatchEvent(new Event("durationchange"));
  }
  assert.deepEqual(told, ["live"]);
  fake.dispatchEvent(new Event("error"));
  t.mock.timers.tick(1000);
  await settle();
  fake.dispatchEvent(new Event("durationchange"));
  assert.deepEqual([asked(), told], [2, ["live", "live"]], "another load is news");
});

test("begun anew before it came to where it was to begin, it still goes there", async (t) => {
  const { fake, engine } = play(t, [live(3), live(3)], 6);
  await settle();
  fake.currentTime = 0.02;
  fake.edge = 0.02;
  fake.dispatchEvent(new Event("loadedmetadata"));
  engine.restart();
  await settle();
  fake.edge = 12;
  fake.dispatchEvent(new Event("loadedmetadata"));
  assert.equal(fake.currentTime, 6);
});

test("it begins at the beginning although the browser begins at the live edge", async (t) => {
  const { fake } = play(t, [live(5)], 0);
  await settle();
  fake.edge = 10;
  fake.currentTime = 4;
  fake.dispatchEvent(new Event("loadedmetadata"));
  assert.equal(fake.currentTime, 0);
});

test("one that lost the end of what is recorded goes on there, and one that waits for a part is left alone", async (t) => {
  const { fake, asked } = play(t, [live(3), live(3), live(5), live(5)], 2);
  await settle();
  const look = async () => {
    t.mock.timers.tick(5000);
    await settle();
  };
  fake.duration = Number.POSITIVE_INFINITY;
  fake.edge = 12;
  fake.dispatchEvent(new Event("loadedmetadata"));
  fake.currentTime = 6;
  await look();
  await look();
  assert.equal(asked(), 1, "there is more to come of what it knows");
  fake.edge = 6;
  await look();
  await look();
  await look();
  assert.deepEqual([asked(), fake.plays], [4, 2]);
  fake.edge = 12;
  fake.dispatchEvent(new Event("loadedmetadata"));
  assert.equal(fake.currentTime, 6, "where it was");
});

test("it begins where it is to begin as soon as the browser knows that place, and once", async (t) => {
  const { fake } = play(t, [new Response("#EXTM3U")], 6);
  await settle();
  fake.edge = 0.3;
  fake.dispatchEvent(new Event("loadedmetadata"));
  assert.equal(fake.currentTime, 0, "it would be the end");
  fake.edge = 12;
  fake.dispatchEvent(new Event("durationchange"));
  assert.equal(fake.currentTime, 6);
  fake.currentTime = 2;
  fake.dispatchEvent(new Event("timeupdate"));
  assert.equal(fake.currentTime, 2, "the viewer went back");
});

test("a browser that stands still while the broadcast goes on begins anew", async (t) => {
  const { fake, asked } = play(t, [live(3), live(3), live(3), live(5), live(5)]);
  await settle();
  fake.duration = Number.POSITIVE_INFINITY;
  const look = async () => {
    t.mock.timers.tick(5000);
    await settle();
  };
  await look();
  fake.currentTime = 3;
  await look();
  assert.equal(asked(), 1, "it plays");
  await look();
  await look();
  assert.deepEqual([asked(), fake.plays], [3, 1], "the publisher is what is waited for");
  await look();
  assert.deepEqual([asked(), fake.plays], [5, 2]);
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
