import assert from "node:assert/strict";
import { test } from "node:test";
import { Thumbnails, parseCues, tileAt } from "./thumbnails";

const BASE = "http://node.mesh:8080/hls/abc/thumbnails.vtt";

/** Two segments of two tiles each; nothing from 8 s to 12 s. */
const TEXT = `WEBVTT

00:00.000 --> 00:04.000
../pic/4.jpg#xywh=0,0,160,90

00:00:04.000 --> 00:00:08.000
../pic/4.jpg#xywh=160,0,160,90

00:00:12.000 --> 00:00:16.000 align:start
../pic/6.jpg#xywh=pixel:0,0,160,90

01:00:16.000 --> 01:00:20.000
/hls/pic/7.jpg#xywh=160,90,160,90
`;

function cue(payload: string, time = "00:00.000 --> 00:04.000"): string {
  return `WEBVTT\n\n${time}\n${payload}\n`;
}

test("a moment has the tile of its cue, and none where there is no cue", () => {
  const cues = parseCues(TEXT, BASE);
  const shown = [0, 3.9, 4, 8, 11, 12, 3617, 3620, -1].map((at) => tileAt(cues, at));
  assert.deepEqual(shown.map((tile) => tile && `${new URL(tile.sprite).pathname} ${tile.x},${tile.y}`), [
    "/hls/pic/4.jpg 0,0",
    "/hls/pic/4.jpg 0,0",
    "/hls/pic/4.jpg 160,0",
    undefined,
    undefined,
    "/hls/pic/6.jpg 0,0",
    "/hls/pic/7.jpg 160,90",
    undefined,
    undefined,
  ]);
  assert.deepEqual(shown[0], { sprite: "http://node.mesh:8080/hls/pic/4.jpg", x: 0, y: 0, width: 160, height: 90 });
  assert.equal(tileAt([], 0), undefined);
  assert.equal(parseCues(TEXT.replace(/\n/g, "\r\n"), BASE).length, 4);
});

test("only JPEGs of the node itself are shown", () => {
  for (const foreign of [
    "http://other.mesh/4.jpg",
    "//other.mesh/4.jpg",
    "https://node.mesh:8080/hls/pic/4.jpg",
    "http://node.mesh/hls/pic/4.jpg",
    "javascript:alert(1)//4.jpg",
    "data:image/svg+xml,<svg/>.jpg",
    "http://[/4.jpg",
    "../pic/4.png",
    "../pic/4.jpg.svg",
  ]) {
    assert.deepEqual(parseCues(cue(`${foreign}#xywh=0,0,160,90`), BASE), [], foreign);
  }
});

test("what is no cue is left out", () => {
  for (const [payload, time] of [
    ["../pic/4.jpg", undefined],
    ["../pic/4.jpg#xywh=0,0,0,90", undefined],
    ["../pic/4.jpg#xywh=0,0,160", undefined],
    ["../pic/4.jpg#xywh=percent:0,0,50,50", undefined],
    ["../pic/4.jpg#xywh=-1,0,160,90", undefined],
    ["../pic/4.jpg#xywh=65500,0,160,90", undefined],
    ["../pic/4.jpg#xywh=0,0,160,90", "00:04.000 --> 00:04.000"],
    ["../pic/4.jpg#xywh=0,0,160,90", "0 --> 4"],
    ["../pic/4.jpg#xywh=0,0,160,90", "00:61.000 --> 00:70.000"],
  ] as const) {
    assert.deepEqual(parseCues(cue(payload, time), BASE), [], `${time} ${payload}`);
  }
  assert.deepEqual(parseCues("", BASE), []);
  const backwards = cue("../pic/4.jpg#xywh=0,0,9,9", "00:08.000 --> 00:09.000") + cue("../pic/5.jpg#xywh=0,0,9,9");
  assert.equal(parseCues(backwards, BASE).length, 1);
  assert.equal(parseCues(cue("../pic/4.jpg#xywh=0,0,9,9").repeat(10_010), BASE).length, 10_000);
});

/** A node that counts what it is asked. */
class Node {
  asked: string[] = [];
  signal: AbortSignal | undefined;

  constructor(
    readonly pictures: boolean,
    public text: string | undefined,
  ) {}

  async facts() {
    this.asked.push("facts");
    return { title: "", state: "live" as const, pictures: this.pictures };
  }

  async cues(signal: AbortSignal) {
    this.asked.push("cues");
    this.signal = signal;
    return this.text === undefined ? undefined : { text: this.text, address: BASE };
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("what runs is asked for again after a while, what has ended once", async () => {
  let now = 0;
  const node = new Node(true, TEXT);
  const thumbnails = new Thumbnails(node, true, () => now);
  let changes = 0;
  thumbnails.changed = () => {
    changes += 1;
  };
  assert.deepEqual(node.asked, [], "before somebody looks");
  assert.equal(thumbnails.at(0, false), undefined);
  thumbnails.at(1, false);
  await settled();
  assert.ok(thumbnails.at(0, false));
  assert.deepEqual([node.asked, changes], [["cues"], 1]);
  now = 15_000;
  thumbnails.at(0, true);
  await settled();
  now = 60_000;
  thumbnails.at(0, true);
  await settled();
  assert.deepEqual([node.asked, changes], [["cues", "cues"], 2]);
});

test("a page that does not know of any asks whether there are some", async () => {
  let now = 0;
  const none = new Node(false, TEXT);
  const nothing = new Thumbnails(none, false, () => now);
  nothing.at(0, false);
  await settled();
  assert.equal(nothing.at(0, false), undefined);
  assert.deepEqual(none.asked, ["facts"]);

  const node = new Node(true, undefined);
  const thumbnails = new Thumbnails(node, false, () => now);
  thumbnails.at(0, true);
  await settled();
  node.text = TEXT;
  now = 15_000;
  thumbnails.at(0, true);
  await settled();
  assert.ok(thumbnails.at(0, true));
  assert.deepEqual(node.asked, ["facts", "cues", "cues"]);
});

test("what comes once the player is gone is dropped", async () => {
  const node = new Node(true, TEXT);
  const thumbnails = new Thumbnails(node, true, () => 0);
  thumbnails.at(0, false);
  thumbnails.stop();
  await settled();
  assert.equal(thumbnails.at(0, false), undefined);
  assert.equal(node.signal?.aborted, true);
});
