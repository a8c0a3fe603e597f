// What a node suggests to play at most (CTA-5006, `mb` of CMSD-Dynamic): it knows what its links carry, a phone beside it does not. Pure.

import type { Level } from "./levels";

/** bit/s; undefined where nothing is suggested. Of those between here and the media the least says it. */
export function suggestedBitrate(header: string | null | undefined): number | undefined {
  const kbps = [...(header ?? "").matchAll(/;\s*mb=(\d{1,9})\b/g)].map(([, digits]) => Number(digits));
  return kbps.length > 0 ? Math.min(...kbps) * 1000 : undefined;
}

/** The highest of these levels, which come in rising order, that such a rate is enough for; -1 where none is. */
export function highestWithin(levels: readonly Level[], bitrate: number): number {
  return levels.filter((level) => level.bitrate <= bitrate).length - 1;
}
