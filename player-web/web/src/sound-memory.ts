// Volume and mute as the viewer left them. What the player does by itself, to be let play at all, is not remembered.

import type { Memory } from "./memory";

export class SoundMemory {
  private volume: number;
  private muted: boolean;
  private readonly onChange = () => {
    const { volume, muted } = this.video;
    if (volume === this.volume && muted === this.muted) return;
    [this.volume, this.muted] = [volume, muted];
    this.memory.setSound(volume, muted);
  };

  /** Without sound where that is asked for, or where the viewer never had it on: then browsers let it play. */
  constructor(
    private readonly video: Pick<HTMLVideoElement, "volume" | "muted" | "addEventListener" | "removeEventListener">,
    private readonly memory: Memory,
    muted: boolean,
  ) {
    const remembered = memory.sound();
    this.volume = video.volume = remembered.volume;
    this.muted = video.muted = muted || (remembered.muted ?? true);
    video.addEventListener("volumechange", this.onChange);
  }

  /** Turns the sound off because the browser asks for it; false where it is off. */
  muteForNow(): boolean {
    if (this.video.muted) return false;
    this.muted = this.video.muted = true;
    return true;
  }

  /** The viewer wants to hear it. */
  unmute(): void {
    this.video.muted = false;
  }

  stop(): void {
    this.video.removeEventListener("volumechange", this.onChange);
  }
}
