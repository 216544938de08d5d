// The panel of one token: what each option would have said, how sure it is, and how likely the policy takes it.
import { el, listMove } from "./dom.js";
import { percent, visible } from "./text.js";

export class OptionsPanel {
    #root; #handlers; #list = null; #shown = null;

    /** handlers: choose(index, option) for an option taken, leave(index) for Escape; without choose the panel only shows. */
    constructor(root, handlers = {}) {
        this.#root = root;
        this.#handlers = handlers;
        this.clear();
    }

    clear(hint = "Point at a token, or move to it with the arrow keys, to see its options.") {
        this.#shown = null;
        this.#list = null;
        this.#root.replaceChildren(el("h2", {}, "Options"), el("p", { class: "empty" }, hint));
    }

    /** Shows token `index`. `taken`: options that have a branch; `blocked`: why none can be taken now, or null. */
    show(token, index, taken = new Set(), blocked = null) {
        const state = JSON.stringify([index, [...taken], blocked]);
        if (this.#shown?.token === token && this.#shown.state === state) return;
        const focused = this.#root.contains(document.activeElement) ? this.#focusedOption() : -1;
        this.#shown = { token, state, index };
        const parts = [
            el("h2", {}, "Options"),
            el("p", { class: "chosen-token" }, el("code", {}, visible(token.text)), el("span", {}, `token ${index + 1}`)),
            this.#facts(token),
        ];
        this.#list = null;
        if (!token.options?.length) parts.push(el("p", { class: "empty" }, "This token has no options: it was written by the backbone alone."));
        else parts.push(...this.#options(token, index, taken, blocked));
        this.#root.replaceChildren(...parts);
        if (focused >= 0) this.#button(focused)?.focus();
    }

    /** Moves the keyboard to the options, at the one that was taken; false when there are none. */
    focus() {
        const button = this.#list?.querySelector(".chosen button") ?? this.#list?.querySelector("button");
        button?.focus();
        return Boolean(button);
    }

    #facts(token) {
        const facts = [];
        if (Number.isFinite(token.entropy)) {
            facts.push(["entropy", `${token.entropy.toFixed(2)} nats`], ["like a choice of", `${Math.exp(token.entropy).toFixed(1)} tokens`]);
        }
        return el("dl", { class: "pairs" }, ...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
    }

    #options(token, index, taken, blocked) {
        const rows = token.options.map((option, k) => this.#row(token, index, option, k, taken, blocked));
        this.#list = el("ol", { class: "option-list", "aria-label": "Options; up and down move, Enter takes one", start: 0 }, ...rows);
        this.#list.addEventListener("keydown", event => this.#key(event));
        const hint = blocked ?? (this.#handlers.choose ? "Take another option to see how the answer goes on from there." : null);
        return [
            el("div", { class: "option-key", "aria-hidden": "true" },
                el("span", {}, el("i", { class: "key-probability" }), "token’s probability"),
                el("span", {}, el("i", { class: "key-policy" }), "policy’s probability")),
            this.#list,
            hint ? el("p", { class: "empty" }, hint) : null,
        ].filter(Boolean);
    }

    #row(token, index, option, k, taken, blocked) {
        const chosen = k === token.latent, policy = token.policy?.[k];
        const same = !chosen && option.token === token.token;
        const note = chosen ? "taken" : taken.has(k) ? "has a branch" : same ? "same token" : "";
        const words = [`Option ${k}: ${visible(option.text)}`, `probability ${percent(option.probability)}`, `policy ${percent(policy)}`, note];
        const button = el("button", {
            type: "button", tabindex: chosen || (k === 0 && !token.options[token.latent]) ? 0 : -1,
            "aria-label": words.filter(Boolean).join(", "), "aria-current": chosen, "aria-disabled": this.#handlers.choose && !blocked ? null : "true",
        },
            el("span", { class: "number" }, String(k)),
            el("code", {}, visible(option.text)),
            el("span", { class: "bars" }, bar("probability", option.probability), bar("policy", policy)),
            el("span", { class: "figures" }, el("span", {}, percent(option.probability)), el("span", {}, percent(policy))),
            el("span", { class: "note" }, note));
        button.addEventListener("click", () => { if (!blocked) this.#handlers.choose?.(index, k); });
        return el("li", { class: `${chosen ? "chosen" : ""}${same ? " same" : ""}${!chosen && taken.has(k) ? " taken" : ""}` }, button);
    }

    #button(k) { return this.#list?.children[k]?.firstElementChild; }

    #focusedOption() {
        return Array.prototype.findIndex.call(this.#list?.children ?? [], item => item.contains(document.activeElement));
    }

    #key(event) {
        const at = this.#focusedOption();
        const to = listMove(event.key, at, this.#list.children.length);
        if (to >= 0) {
            this.#button(at)?.setAttribute("tabindex", "-1");
            this.#button(to).setAttribute("tabindex", "0");
            this.#button(to).focus();
        } else if (event.key === "Escape") this.#handlers.leave?.(this.#shown.index);
        else return;
        event.preventDefault();
        event.stopPropagation();
    }
}

/** A bar whose length is a fraction. */
function bar(name, fraction) {
    const fill = el("span", { class: `fill ${name}` });
    fill.style.width = `${Math.max(0, Math.min(1, fraction || 0)) * 100}%`;
    return el("span", { class: "bar" }, fill);
}
