import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import M3U8Parser from "hls.js/m3u8-parser";
import { choices, soundAlone, soundsBesidePictures } from "./levels";

/** What hls.js makes of a playlist with renditions. */
function parsed() {
  const text = readFileSync("src/fixtures/multivariant.m3u8", "utf8");
  return M3U8Parser.parseMasterPlaylist(text, "http://node/hls/x/index.m3u8").levels;
}

test("a multivariant playlist is a menu: pictures from the largest, then sound", () => {
  const levels = parsed();
  const menu = choices(levels).map(({ level, kind, height, kbps }) => [level, kind, height, kbps]);
  assert.deepEqual(menu, [
    [1, "picture", 720, 2500],
    [0, "picture", 360, 800],
    [2, "sound", 0, 128],
    [3, "sound", 0, 64],
  ]);
  assert.equal(soundAlone(levels), 3);
});

test("one level is no choice", () => {
  const [level] = parsed();
  assert.ok(level);
  assert.deepEqual(choices([level]), []);
  assert.equal(soundAlone([level]), undefined);
  assert.deepEqual(choices([]), []);
});

test("sound alone beside pictures is played by itself", () => {
  const sounds = soundsBesidePictures(parsed(), "http://node/hls/x/main.m3u8");
  assert.deepEqual(sounds.map(({ bitrate }) => bitrate), [128_000, 64_000]);
  assert.ok(sounds.every(({ url }) => url.startsWith("http://node/hls/")), JSON.stringify(sounds));
  const alone = parsed().filter(({ videoCodec }) => !videoCodec);
  assert.deepEqual(soundsBesidePictures(alone, "http://node/hls/x/main.m3u8"), []);
});
