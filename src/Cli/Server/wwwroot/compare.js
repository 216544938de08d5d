// The Compare view: the same prompt answered by the backbone, by the policy and by one option throughout, side by side.
import { stream } from "./api.js";
import { byId, el } from "./dom.js";
import { OptionsPanel } from "./options.js";
import { TokenStrip } from "./tokens.js";

export class Compare {
    #columns = [];
    #abort = null;
    #asked = null;
    #panel; #onBusy; #onProblem;

    constructor(onBusy, onProblem) {
        [this.#onBusy, this.#onProblem] = [onBusy, onProblem];
        this.#panel = new OptionsPanel(byId("compare-options"), { leave: () => this.#asked?.() });
        this.#columns = [this.#column("Backbone", "greedy, no options"), this.#column("Policy", "its most likely option"), this.#column("One option", "the same option for every token")];
        byId("compare-columns").replaceChildren(...this.#columns.map(column => column.root));
    }

    get running() { return this.#abort !== null; }

    stop() {
        this.#abort?.abort();
        this.#abort = null;
    }

    /** Streams the three answers one after the other. `option` is the forced one; null leaves the backbone alone (no OLLM is loaded). */
    async generate(story, option) {
        this.stop();
        const abort = this.#abort = new AbortController();
        this.#onProblem(null);
        this.#panel.clear();
        this.#columns[2].title.textContent = option === null ? "One option" : `Option ${option}`;
        for (const column of this.#columns) column.reset(option === null && column !== this.#columns[0] ? "No OLLM is loaded." : "Waiting");
        this.#onBusy(true);
        try {
            const latents = option === null ? ["backbone"] : ["backbone", "policy", `force:${option}`];
            for (const [i, latent] of latents.entries()) await this.#fill(this.#columns[i], { ...story, latent }, abort.signal);
        } catch (error) {
            if (error.name !== "AbortError") this.#onProblem(error.message);
        } finally {
            if (this.#abort === abort) {
                this.#abort = null;
                this.#onBusy(false);
            }
        }
    }

    async #fill(column, story, signal) {
        column.status.textContent = "Writing";
        const first = this.#columns[0].tokens;
        let finish = null, parted = -1;
        try {
            for await (const part of stream(story, story.maxTokens, [], signal)) {
                for (const token of part.tokens) {
                    const index = column.tokens.push(token) - 1;
                    column.strip.set(index, token);
                    if (parted < 0 && column.tokens !== first && first[index]?.token !== token.token) {
                        parted = index;
                        column.strip.mark(index, "parts");
                    }
                }
                finish = part.finish ?? finish;
            }
            column.status.textContent = [finish === "length" ? "Length reached" : "Finished", ...describe(column, first, parted)].join(" · ");
        } catch (error) {
            column.status.textContent = error.name === "AbortError" ? "Stopped" : "Failed";
            throw error;
        }
    }

    #column(name, explanation) {
        const title = el("h2", {}, name), status = el("p", { class: "status", role: "status" }, "No answer yet.");
        const text = el("div", { class: "tokens", role: "toolbar", "aria-label": `${name}: answer, token by token` });
        const column = { title, status, tokens: [], root: el("section", { class: "card", "aria-label": name }, title, el("p", { class: "empty" }, explanation), text, status) };
        const show = index => { if (column.tokens[index]) this.#panel.show(column.tokens[index], index); };
        column.strip = new TokenStrip(text, {
            show,
            open: index => {
                show(index);
                this.#asked = () => { column.strip.pin(-1); column.strip.focus(index); };
                this.#panel.focus();
            },
            leave: () => byId("prompt").focus(),
        });
        column.reset = message => {
            column.tokens = [];
            column.strip.clear();
            status.textContent = message;
        };
        return column;
    }
}

function describe(column, first, parted) {
    const entropies = column.tokens.map(token => token.entropy).filter(Number.isFinite);
    const mean = entropies.reduce((sum, entropy) => sum + entropy, 0) / entropies.length;
    const facts = [`${column.tokens.length} tokens`];
    if (entropies.length > 0) facts.push(`mean entropy ${mean.toFixed(2)} nats`);
    if (column.tokens !== first) facts.push(parted < 0 && column.tokens.length === first.length ? "same as the backbone" : `parts from the backbone at token ${(parted < 0 ? first.length : parted) + 1}`);
    return facts;
}
