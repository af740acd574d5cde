// The player: which frame is shown. The video leads where there is one, else a clock of its own.
// Frames are told by their own time stamps: they need not come evenly.

const INSIDE_S = 1e-3;  // a seek goes this far into a frame: browsers round times down

class Player {
  constructor(video, show) {
    this.video = video;
    this.show = show;
    this.playing = false;
    this.speed = 1;
    this.run = 0;
    video.addEventListener("seeked", () => this.seekOn());
    video.addEventListener("ended", () => this.stopped());
    video.addEventListener("pause", () => { if (this.hasVideo) this.stopped(); });
  }

  load(time, url) {
    this.pause();
    this.time = time;
    this.index = 0;
    this.hasVideo = Boolean(url);
    this.wanted = null;
    if (url) this.video.src = url;
    else this.video.removeAttribute("src");
    this.show(0);
  }

  // The frame whose picture is on the screen at a time: the last one that has begun.
  frameAt(time) {
    let low = 0, high = this.time.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.time[middle] <= time + INSIDE_S) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  seekTime(time) {
    const before = this.frameAt(time), after = Math.min(before + 1, this.time.length - 1);
    this.seek(this.time[after] - time < time - this.time[before] ? after : before);
  }

  seek(index) {
    this.index = Math.max(0, Math.min(this.time.length - 1, index));
    this.began = null;
    this.show(this.index);
    if (!this.hasVideo) return;
    this.wanted = this.time[this.index] + INSIDE_S;
    if (!this.video.seeking) this.seekOn();
  }

  // One seek at a time: a slider moves faster than a video can follow.
  seekOn() {
    if (this.wanted === null) return;
    const wanted = this.wanted;
    this.wanted = null;
    this.video.currentTime = wanted;
  }

  toggle() { this.playing ? this.pause() : this.play(); }

  play() {
    if (this.index === this.time.length - 1) this.seek(0);
    this.playing = true;
    this.began = null;
    this.video.playbackRate = this.speed;
    // A play that a pause or another clip cuts short is no error.
    if (this.hasVideo) this.video.play().catch(() => this.stopped());
    this.changed();
    this.wait();
  }

  pause() {
    if (this.hasVideo) this.video.pause();
    this.stopped();
  }

  stopped() {
    if (!this.playing) return;
    this.playing = false;
    this.changed();
  }

  changed() {}

  setSpeed(speed) {
    this.speed = speed;
    this.began = null;
    this.video.playbackRate = speed;
  }

  wait() {
    const run = ++this.run;  // an earlier play that still waits for its frame gives way
    const next = (now, frame) => {
      if (!this.playing || run !== this.run) return;
      this.advance(now, frame);
      this.waitForFrame(next);
    };
    this.waitForFrame(next);
  }

  waitForFrame(next) {
    if (this.hasVideo && this.video.requestVideoFrameCallback) this.video.requestVideoFrameCallback(next);
    else requestAnimationFrame(next);
  }

  advance(now, frame) {
    if (this.hasVideo) {
      this.index = this.frameAt(frame ? frame.mediaTime : this.video.currentTime);
    } else {
      if (this.began === null) [this.began, this.from] = [now, this.time[this.index]];
      this.index = this.frameAt(this.from + (now - this.began) / 1000 * this.speed);
      if (this.index === this.time.length - 1) this.stopped();
    }
    this.show(this.index);
  }
}
