// A strip of tokens: running text whose tokens can be reached by mouse and arrow keys. One token at a time is in the tab order.
import { el } from "./dom.js";
import { entropyLevel, flowing, isSpecial, visible } from "./text.js";

// A pointer on its way to the options panel crosses other tokens; only one that rests shows its options.
const RestMilliseconds = 90;

/** A token's leading blanks, which may end a line, and the body that carries its colour. */
function parts(text) {
    const [, lead, body] = /^( *)(.*)$/su.exec(text);
    return body === "" ? [el("span", { class: "body" }, ...flowing(text))] : [lead, el("span", { class: "body" }, ...flowing(body))];
}

export class TokenStrip {
    #root; #handlers; #timer = 0; #active = 0; #pinned = -1;

    /** handlers: show(index) for a token hovered or focused, open(index) for Enter, leave() for Escape. */
    constructor(root, handlers) {
        this.#root = root;
        this.#handlers = handlers;
        root.addEventListener("pointerover", event => this.#hover(event));
        root.addEventListener("pointerleave", () => clearTimeout(this.#timer));
        root.addEventListener("focusin", event => this.#focused(event));
        root.addEventListener("click", event => this.#click(event));
        root.addEventListener("keydown", event => this.#key(event));
    }

    get count() { return this.#root.children.length; }
    get pinned() { return this.#pinned; }

    clear() {
        clearTimeout(this.#timer);
        this.#root.replaceChildren();
        this.#active = 0;
        this.pin(-1);
    }

    /** Shows `tokens`, keeping what already stands; `from` is the first one that this branch wrote itself, or -1. */
    render(tokens, from = -1) {
        while (this.count > tokens.length) this.#root.lastElementChild.remove();
        if (this.#active >= tokens.length) this.#active = 0;
        if (this.#pinned >= tokens.length) this.pin(-1);
        tokens.forEach((token, index) => this.set(index, token, index === from));
    }

    /** Writes one token; `forked` marks it as the start of a branch. */
    set(index, token, forked = false) {
        let node = this.#root.children[index];
        if (!node) {
            node = el("span", { role: "button", tabindex: index === this.#active ? 0 : -1 });
            this.#root.append(node);
        }
        if (node.token !== token) {
            node.token = token;
            node.replaceChildren(...parts(token.text));
            const entropy = Number.isFinite(token.entropy) ? `, entropy ${token.entropy.toFixed(2)} nats` : "";
            node.setAttribute("aria-label", `${visible(token.text)}, token ${index + 1}${entropy}${forked ? ", a branch starts here" : ""}`);
        }
        const level = entropyLevel(token.entropy);
        node.className = `token ${level === null ? "" : `e${level}`}${isSpecial(token.text) ? " special" : ""}${forked ? " forked" : ""}${index === this.#pinned ? " pinned" : ""}`;
    }

    /** Adds or removes a class of one token, such as the place where two answers part. */
    mark(index, name) {
        this.#root.children[index]?.classList.add(name);
    }

    focus(index) {
        this.#root.children[Math.min(index, this.count - 1)]?.focus();
    }

    /** Holds the panel at one token (-1 lets go): hovering over others then changes nothing. */
    pin(index) {
        this.#root.children[this.#pinned]?.classList.remove("pinned");
        this.#pinned = index;
        this.#root.children[index]?.classList.add("pinned");
    }

    #indexOf(event) {
        const node = event.target.closest?.(".token");
        return node ? Array.prototype.indexOf.call(this.#root.children, node) : -1;
    }

    #hover(event) {
        clearTimeout(this.#timer);
        const index = this.#indexOf(event);
        if (index < 0 || this.#pinned >= 0 || event.pointerType === "touch") return;
        this.#timer = setTimeout(() => this.#handlers.show(index), RestMilliseconds);
    }

    #focused(event) {
        const index = this.#indexOf(event);
        if (index < 0) return;
        this.#root.children[this.#active]?.setAttribute("tabindex", "-1");
        this.#active = index;
        this.#root.children[index].setAttribute("tabindex", "0");
        if (this.#pinned >= 0 && this.#pinned !== index) this.pin(-1);
        this.#handlers.show(index);
    }

    #click(event) {
        const index = this.#indexOf(event);
        if (index < 0) return;
        const again = this.#pinned === index;
        this.focus(index);
        this.pin(again ? -1 : index);
        this.#handlers.show(index);
    }

    #key(event) {
        const index = this.#indexOf(event);
        if (index < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
        const to = this.#target(event.key, index);
        if (to >= 0) this.focus(to);
        else if (event.key === "Enter" || event.key === " ") {
            this.pin(index);
            this.#handlers.open(index);
        } else if (event.key === "Escape" && this.#pinned >= 0) this.pin(-1);
        else if (event.key === "Escape") this.#handlers.leave();
        else return;
        event.preventDefault();
        event.stopPropagation();
    }

    #target(key, index) {
        switch (key) {
            case "ArrowRight": return Math.min(index + 1, this.count - 1);
            case "ArrowLeft": return Math.max(index - 1, 0);
            case "Home": return 0;
            case "End": return this.count - 1;
            case "ArrowDown": return this.#line(index, 1);
            case "ArrowUp": return this.#line(index, -1);
            default: return -1;
        }
    }

    /** The nearest token on the line below (1) or above (-1), by where it stands on the screen. */
    #line(index, direction) {
        const nodes = [...this.#root.children];
        const boxes = nodes.map(node => node.getClientRects()[0] ?? node.getBoundingClientRect());
        const here = boxes[index], middle = box => box.left + box.width / 2;
        const beyond = boxes.filter(box => direction > 0 ? box.top > here.bottom - 4 : box.bottom < here.top + 4);
        if (beyond.length === 0) return index;
        const top = direction > 0 ? Math.min(...beyond.map(box => box.top)) : Math.max(...beyond.map(box => box.top));
        const line = beyond.filter(box => Math.abs(box.top - top) < 4);
        const distance = box => Math.abs(middle(box) - middle(here));
        return boxes.indexOf(line.reduce((best, box) => distance(box) < distance(best) ? box : best));
    }
}
