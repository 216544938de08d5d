// Reads a streamed text out to screen readers, in pieces of about a second rather than token by token.

const PieceMilliseconds = 1200;

export class Announcer {
    #root; #waiting = ""; #timer = 0;

    constructor(root) {
        this.#root = root;
    }

    say(text) {
        this.#waiting += text;
        if (this.#timer === 0) this.#timer = setTimeout(() => this.flush(), PieceMilliseconds);
    }

    flush() {
        clearTimeout(this.#timer);
        this.#timer = 0;
        if (this.#waiting !== "") this.#root.append(this.#waiting);
        this.#waiting = "";
    }

    clear() {
        clearTimeout(this.#timer);
        this.#timer = 0;
        this.#waiting = "";
        this.#root.replaceChildren();
    }
}
