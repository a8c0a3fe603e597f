import assert from "node:assert/strict";
import { test } from "node:test";
import { Captions, type Captioned } from "./captions";

class FakeTrack {
  mode = "disabled";
  readonly cues: object[] = [];
  addCue(cue: object) {
    this.cues.push(cue);
  }
  removeCue(cue: object) {
    this.cues.splice(this.cues.indexOf(cue), 1);
  }
}

function video() {
  const tracks: FakeTrack[] = [];
  const addTextTrack = () => {
    const track = new FakeTrack();
    tracks.push(track);
    return track as unknown as TextTrack;
  };
  return { tracks, element: { addTextTrack } satisfies Captioned };
}

const cue = (number: number) => ({ number }) as unknown as VTTCue;

test("captions make a track once, however often a player begins anew on the element", () => {
  const { tracks, element } = video();
  new Captions(element).handleCues("textTrack1", [cue(1), cue(2)]);
  const later = new Captions(element);
  later.clear();
  assert.deepEqual(tracks[0]?.cues, [], "those of another time line");
  later.handleCues("textTrack1", [cue(3)]);
  later.handleCues("textTrack2", [cue(4)]);
  assert.deepEqual(tracks.map(({ mode, cues }) => [mode, cues.length]), [["hidden", 1], ["hidden", 1]]);
});

test("captions of hours are not kept", () => {
  const { tracks, element } = video();
  const captions = new Captions(element);
  for (let number = 0; number < 1000; number += 1) captions.handleCues("textTrack1", [cue(number)]);
  assert.deepEqual([tracks[0]?.cues.length, tracks[0]?.cues[0]], [300, { number: 700 }]);
});
