// Keeps the end of what grows in view, until somebody scrolls up.

const AT_END = 48; // pixels from the end that still count as being there

export class Follower {
  /** `onChange` gets whether the end is followed, when that changes. */
  constructor(scroller, content, onChange = () => {}) {
    Object.assign(this, { scroller, onChange, follows: true, lastTop: 0 });
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    const resized = new ResizeObserver(() => this.follows && this.#jump());
    for (const element of [scroller, content]) resized.observe(element);
  }

  toEnd() {
    this.#set(true);
    this.#jump();
  }

  #jump() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < AT_END;
    // Only who scrolls up leaves the end; text and pictures that arrive move it away as well.
    if (isAtEnd || scrollTop < this.lastTop) this.#set(isAtEnd);
    this.lastTop = scrollTop;
  }

  #set(follows) {
    if (follows !== this.follows) this.onChange(follows);
    this.follows = follows;
  }
}
