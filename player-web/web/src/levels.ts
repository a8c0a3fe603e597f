// The renditions of a broadcast as a menu: one picture for each height, and sound alone. Pure.

/** As much of a level of hls.js as is looked at. */
export interface Level {
  height?: number | undefined;
  bitrate: number;
  videoCodec?: string | undefined;
  audioCodec?: string | undefined;
}

export interface Choice {
  /** Index of the level. */
  level: number;
  kind: "picture" | "sound";
  height: number;
  kbps: number;
}

/** A rendition with sound alone, and its playlist. */
export interface Sound extends Level {
  url: string;
}

/** A rendition without a picture: it names a codec for sound and none for video (RFC 8216 §4.3.4.2). */
function isSound(level: Level): boolean {
  return !level.videoCodec && !!level.audioCodec && !level.height;
}

/** What can be chosen from, best first; nothing where there is no choice. */
export function choices(levels: readonly Level[]): Choice[] {
  if (levels.length < 2) return [];
  const all = levels.map((level, index): Choice => {
    const kind = isSound(level) ? "sound" : "picture";
    return { level: index, kind, height: level.height || 0, kbps: Math.round((level.bitrate || 0) / 1000) };
  });
  return all.sort((a, b) => Number(a.kind === "sound") - Number(b.kind === "sound") || b.height - a.height || b.kbps - a.kbps);
}

/** The rendition with sound alone that needs least. */
export function soundAlone(levels: readonly Level[]): number | undefined {
  const sounds = choices(levels).filter(({ kind }) => kind === "sound");
  return sounds[sounds.length - 1]?.level;
}

/** The renditions with sound alone of a multivariant playlist that has some with pictures too. Their addresses are relative to `base`. */
export function soundsBesidePictures(levels: readonly (Level & { url: string })[], base: string): Sound[] {
  const sounds = levels.filter(isSound);
  if (sounds.length === levels.length) return [];
  return sounds.map(({ bitrate, audioCodec, url }) => ({ bitrate, audioCodec, url: new URL(url, base).href }));
}
