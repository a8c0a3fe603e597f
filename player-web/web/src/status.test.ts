import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Snapshot, describe } from "./status";
import { Texts } from "./texts";

const playing: Snapshot = {
  playlistEnded: false,
  videoEnded: false,
  hasPlaylist: true,
  notYet: false,
  unreachable: false,
  started: true,
  paused: false,
  blocked: false,
  stalled: false,
  held: false,
  ahead: 20,
  picture: true,
  lacksPicture: false,
  behind: 31.4,
  missing: undefined,
  unplayable: false,
  gap: false,
  slow: undefined,
  lighter: false,
};
const t = new Texts("en", readFileSync("../texts/en.ftl", "utf8"));
const part = { sequence: 9, start: 123, duration: 15, date: null };
const fresh: Snapshot = { ...playing, hasPlaylist: false, started: false, paused: true, ahead: 0, behind: null };

function check(change: Partial<Snapshot>, from: Snapshot, state: string, words: RegExp): void {
  const status = describe({ ...from, ...change }, t);
  assert.equal(status.state, state, JSON.stringify(change));
  // Without the marks that isolate values.
  assert.match(status.caption.replace(/[\u2068\u2069]/g, ""), words);
}

test("each state has its caption", () => {
  check({}, fresh, "connecting", /^Connecting/);
  check({ notYet: true }, fresh, "waiting", /Waiting for the publisher/);
  check({ notYet: true, hasPlaylist: true }, fresh, "waiting", /still fetching/);
  check({ unreachable: true }, fresh, "connecting", /does not answer/);
  check({ hasPlaylist: true }, fresh, "connecting", /Loading/);
  check({}, playing, "playing", /about 31 s behind live/);
  check({ behind: 3700 }, playing, "playing", /about 62 min behind live/);
  const coming = { part, percent: 40, skipInS: null };
  check({ stalled: true, missing: coming }, playing, "waiting", /^Fetching 0:02:03–0:02:18 .*: 40 %/);
  const away = { part, percent: null, skipInS: 20 };
  check({ stalled: true, missing: away }, playing, "waiting", /^Nobody .* 0:02:03–0:02:18 .* skips it in 20 s/);
  check({ missing: away }, playing, "playing", /^Playing/);
  check({ behind: null }, playing, "playing", /^Playing$/);
  check({ picture: false }, playing, "playing", /^Playing sound only, about 31 s/);
  check({ picture: false, lacksPicture: true }, playing, "playing", /the link brings no picture/);
  check({ stalled: true }, playing, "catching-up", /Catching up/);
  check({ stalled: true, held: true, ahead: 2 }, playing, "catching-up", /more in hand/);
  check({ stalled: true, held: true, ahead: 0 }, playing, "waiting", /Waiting for the publisher/);
  check({ stalled: true, ahead: 0 }, playing, "waiting", /Waiting for the publisher/);
  check({ stalled: true, unreachable: true }, playing, "catching-up", /does not answer/);
  const slow = { carriesKbps: 400, needsKbps: 900 };
  check({ stalled: true, slow }, playing, "too-slow", /400 kbit\/s.* 900.*later/);
  check({ stalled: true, slow, lighter: true }, playing, "too-slow", /sound only/);
  check({ slow }, playing, "playing", /behind live/);
  check({ stalled: true, gap: true }, playing, "gap", /was lost/);
  check({ gap: true }, playing, "gap", /was lost/);
  check({ unplayable: true }, fresh, "unplayable", /VLC/);
  check({ paused: true }, playing, "paused", /Press play/);
  check({ blocked: true }, fresh, "paused", /Tap/);
  check({ playlistEnded: true, videoEnded: true, paused: true }, playing, "ended", /has ended/);
  check({ playlistEnded: true }, playing, "playing", /has ended/);
});

test("while the picture moves, nothing alarms the viewer", () => {
  check({ unreachable: true }, playing, "playing", /behind live/);
  check({ notYet: true }, playing, "playing", /behind live/);
});
