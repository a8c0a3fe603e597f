// The captions that hls.js finds in the picture (CEA-608), as text tracks of the video element. hls.js itself would hold
// them back for ever where sound and picture come in one file, as they do here.

/** Captions of some minutes: more are long past. */
const MOST_CUES = 300;

/** As much of a video element as is touched. */
export type Captioned = Pick<HTMLVideoElement, "addTextTrack">;

/** A text track cannot be taken away again, so an element keeps its own. */
const TRACKS = new WeakMap<Captioned, Map<string, TextTrack>>();

export class Captions {
  private readonly tracks: Map<string, TextTrack>;

  constructor(private readonly video: Captioned) {
    this.tracks = TRACKS.get(video) ?? new Map<string, TextTrack>();
    TRACKS.set(video, this.tracks);
  }

  /** What was found for a track; the first of it makes the track. */
  handleCues(name: string, cues: readonly VTTCue[]): void {
    let track = this.tracks.get(name);
    if (!track) {
      track = this.video.addTextTrack("captions");
      // To be chosen, not shown by itself.
      track.mode = "hidden";
      this.tracks.set(name, track);
    }
    for (const cue of cues) track.addCue(cue);
    const { cues: all } = track;
    while (all && all.length > MOST_CUES && all[0]) track.removeCue(all[0]);
  }

  /** Another time line: what was found on the one before is nowhere on it. */
  clear(): void {
    for (const track of this.tracks.values()) {
      const { cues } = track;
      while (cues && cues.length > 0 && cues[0]) track.removeCue(cues[0]);
    }
  }
}
