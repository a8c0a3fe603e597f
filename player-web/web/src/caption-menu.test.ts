import assert from "node:assert/strict";
import { test } from "node:test";
import { type CaptionTrack, readable, showOnly } from "./caption-menu";

const track = (kind: string, mode: TextTrackMode = "disabled"): CaptionTrack => ({ kind, label: "", language: "", mode });

test("captions and subtitles can be chosen, one at a time or none; what programs read is left alone", () => {
  const metadata = track("metadata", "hidden");
  const tracks = [track("captions"), metadata, track("subtitles", "showing")];
  const found = readable(tracks);
  assert.equal(found.length, 2);
  showOnly(found, 0);
  assert.deepEqual(tracks.map(({ mode }) => mode), ["showing", "hidden", "disabled"]);
  showOnly(found, -1);
  assert.deepEqual(tracks.map(({ mode }) => mode), ["disabled", "hidden", "disabled"]);
});
