// The branches as a tree: every fork of the answer, the current one marked; Up and Down move, Enter switches.
import { el, listMove } from "./dom.js";
import { clipped, isSpecial, visible } from "./text.js";

export class BranchList {
    #root; #select; #active = null;

    /** select(branch) is called for the branch that a person picks. */
    constructor(root, select) {
        this.#root = root;
        this.#select = select;
        root.addEventListener("keydown", event => this.#key(event));
    }

    render(tree) {
        const hadFocus = this.#root.contains(document.activeElement);
        if (!hadFocus || !tree.shown.includes(this.#active)) this.#active = tree.current;
        this.#root.replaceChildren(...(tree.root ? [this.#item(tree, tree.root, 1)] : []));
        if (hadFocus) this.#items().find(item => item.branch === this.#active)?.focus();
    }

    #item(tree, branch, level) {
        const current = branch === tree.current, children = tree.children(branch);
        const item = el("li", {
            role: "treeitem", "aria-level": level, "aria-selected": String(current), "aria-expanded": children.length > 0 ? "true" : null,
            tabindex: branch === this.#active ? 0 : -1, class: current ? "current" : "", "aria-label": `${title(branch)}: ${summary(branch)}`,
        },
            el("div", { class: "branch" }, ...heading(branch), el("span", { class: "ending" }, summary(branch))),
            children.length > 0 ? el("ul", { role: "group" }, ...children.map(child => this.#item(tree, child, level + 1))) : null);
        item.branch = branch;
        item.firstElementChild.addEventListener("click", () => {
            this.#active = branch;
            this.#select(branch);
        });
        return item;
    }

    #items() { return [...this.#root.querySelectorAll("[role=treeitem]")]; }

    #key(event) {
        const items = this.#items(), at = items.indexOf(document.activeElement);
        if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
        const to = listMove(event.key, at, items.length);
        if (to >= 0) {
            items[at].setAttribute("tabindex", "-1");
            this.#active = items[to].branch;
            items[to].setAttribute("tabindex", "0");
            items[to].focus();
        } else if (event.key === "Enter" || event.key === " ") this.#select(items[at].branch);
        else return;
        event.preventDefault();
        event.stopPropagation();
    }
}

const tokenAt = branch => branch.tokens[branch.at]?.text;

function title(branch) {
    if (!branch.parent) return "First answer";
    const text = tokenAt(branch);
    return `Token ${branch.at + 1}, option ${branch.option}${text === undefined ? "" : ` ${visible(text)}`}`;
}

function heading(branch) {
    if (!branch.parent) return [el("span", { class: "place" }, "First answer")];
    const before = branch.parent.tokens[branch.at]?.text, after = tokenAt(branch);
    return [
        el("span", { class: "place" }, `Token ${branch.at + 1}`),
        el("span", { class: "change" },
            el("code", { class: "before" }, visible(before ?? "")), " → ", el("code", {}, after === undefined ? "…" : visible(after)),
            ` · option ${branch.option}`),
    ];
}

/** How the branch ends: its last words and its length. */
function summary(branch) {
    const own = branch.tokens.slice(branch.parent ? branch.at : 0).map(token => token.text).filter(text => !isSpecial(text)).join("").trim();
    const ending = own.length > 64 ? `… ${own.slice(-60).replace(/^\S*\s+/u, "")}` : own;
    const state = { running: "writing", stopped: "stopped", failed: "failed", done: branch.finish === "length" ? "length reached" : "" }[branch.status];
    return [clipped(visible(ending).replaceAll("␣", " "), 72), `${branch.tokens.length} tokens`, state].filter(Boolean).join(" · ");
}
