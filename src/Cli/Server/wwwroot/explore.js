// The Explore view: one story, its tokens, the options of a token, and the branches made by taking other options.
import { stream } from "./api.js";
import { BranchList } from "./branches.js";
import { Conversation, turnItems } from "./conversation.js";
import { byId } from "./dom.js";
import { Announcer } from "./live.js";
import { OptionsPanel } from "./options.js";
import { TokenStrip } from "./tokens.js";
import { BranchTree } from "./tree.js";

export class Explore {
    #tree = new BranchTree();
    #story = null;
    #conversation = new Conversation();
    #fresh = false;
    #abort = null;
    #shown = -1;
    #strip; #panel; #list; #live; #onBusy; #onProblem;

    /** onBusy(running) follows the stream; onProblem(message) shows what went wrong, or clears it with null. */
    constructor(onBusy, onProblem) {
        [this.#onBusy, this.#onProblem] = [onBusy, onProblem];
        this.#strip = new TokenStrip(byId("answer"), {
            show: index => this.#show(index),
            open: index => { this.#show(index); this.#panel.focus(); },
            leave: () => byId("prompt").focus(),
        });
        this.#panel = new OptionsPanel(byId("options"), {
            choose: (index, option) => this.#fork(index, option),
            leave: index => { this.#strip.pin(-1); this.#strip.focus(index); },
        });
        this.#list = new BranchList(byId("branches"), branch => this.#select(branch));
        this.#live = new Announcer(byId("live"));
        byId("undo").addEventListener("click", () => this.undo());
        byId("redo").addEventListener("click", () => this.redo());
        byId("continue").addEventListener("click", () => this.#continue());
        byId("new-chat").addEventListener("click", () => this.#newChat());
    }

    get running() { return this.#abort !== null; }

    /** Starts a new story; the branches of the one before go. A chat goes on from the branch that is shown, until it is ended. */
    generate(story) {
        this.stop();
        if (story.kind !== "chat") this.#conversation.clear();
        else if (this.#story?.kind === "chat" && !this.#fresh) this.#conversation.add(this.#story.prompt, this.#tree.current?.text ?? "");
        this.#fresh = false;
        this.#story = { ...story, turns: this.#conversation.turns };
        const root = this.#tree.start();
        this.#reset();
        return this.#write(root, [], story.maxTokens);
    }

    /** Forgets the turns so far; the answer that is shown stays, but the next message begins anew. */
    #newChat() {
        this.#conversation.clear();
        this.#fresh = true;
        this.#render();
        byId("prompt").focus();
    }

    stop() {
        this.#abort?.abort();
        this.#abort = null;
    }

    undo() { this.#travel(() => this.#tree.undo()); }
    redo() { this.#travel(() => this.#tree.redo()); }

    #travel(move) {
        this.stop();
        const before = this.#tree.current;
        move();
        if (this.#tree.current !== before) this.#reset();
        this.#render();
    }

    #select(branch) {
        this.#travel(() => this.#tree.select(branch));
    }

    #fork(index, option) {
        const from = this.#tree.current, latents = from.latents(index);
        if (latents === null) return;
        this.stop();
        const { branch, isNew } = this.#tree.fork(from, index, option);
        this.#reset();
        this.#render();
        if (isNew) this.#write(branch, [...latents, option], Math.max(this.#story.maxTokens, index + 1), index);
        else this.#strip.focus(index);
    }

    #continue() {
        const branch = this.#tree.current, latents = branch?.latents(branch.tokens.length);
        if (latents) this.#write(branch, latents, branch.tokens.length + this.#story.maxTokens);
    }

    /** Streams a branch. The server answers from the first token on, taking the options of the prefix, so tokens replace the shared ones one by one. */
    async #write(branch, latents, maxTokens, focusAt = -1) {
        const abort = this.#abort = new AbortController();
        Object.assign(branch, { status: "running", finish: null, error: null, text: "" });
        this.#onProblem(null);
        this.#render();
        let count = 0;
        try {
            for await (const part of stream(this.#story, maxTokens, latents, abort.signal)) {
                for (const token of part.tokens) this.#arrived(branch, count++, token, focusAt, latents.length);
                branch.text += part.text;
                if (part.finish) branch.finish = part.finish;
            }
            branch.tokens.length = count;
            branch.status = "done";
        } catch (error) {
            branch.status = error.name === "AbortError" ? "stopped" : "failed";
            branch.error = error.message;
            if (branch.status === "failed") this.#onProblem(error.message);
        } finally {
            if (this.#abort === abort) this.#abort = null;
            this.#live.flush();
            this.#render();
        }
    }

    #arrived(branch, index, token, focusAt, prefixLength) {
        branch.tokens[index] = token;
        if (branch !== this.#tree.current) return;
        this.#strip.set(index, token, branch.parent !== null && index === branch.at);
        if (index >= prefixLength - 1) this.#live.say(token.text);
        if (index === this.#shown) this.#show(index);
        if (index === focusAt) this.#strip.focus(index);
        if (index === branch.at) this.#list.render(this.#tree);
        this.#status();
        byId("answer-empty").hidden = true;
    }

    #show(index) {
        const branch = this.#tree.current, token = branch?.tokens[index];
        if (!token) return;
        this.#shown = index;
        const blocked = branch.latents(index + 1) === null ? "Written without options up to here, so no branch can start at this token." : null;
        this.#panel.show(token, index, this.#tree.taken(branch, index), blocked);
    }

    /** Forgets what was shown of the branch before. */
    #reset() {
        this.#shown = -1;
        this.#strip.clear();
        this.#panel.clear();
        this.#live.clear();
    }

    #render() {
        const branch = this.#tree.current;
        this.#strip.render(branch?.tokens ?? [], branch?.parent ? branch.at : -1);
        if (this.#shown >= 0) this.#show(this.#shown);
        this.#list.render(this.#tree);
        this.#status();
        byId("answer-empty").hidden = Boolean(branch);
        byId("branches-empty").hidden = this.#tree.shown.length > 1;
        byId("undo").disabled = !this.#tree.canUndo;
        byId("redo").disabled = !this.#tree.canRedo;
        const ended = branch && (branch.status === "stopped" || branch.status === "failed" || branch.finish === "length");
        byId("continue").disabled = !ended || branch.tokens.length === 0 || branch.latents(branch.tokens.length) === null;
        byId("turns").replaceChildren(...turnItems(this.#conversation.turns));
        byId("turns").hidden = this.#conversation.turns.length === 0;
        byId("new-chat").hidden = this.#story?.kind !== "chat" || this.#fresh;
        this.#onBusy(this.running);
    }

    #status() {
        const branch = this.#tree.current;
        if (!branch) return;
        const ends = { running: "Writing", stopped: "Stopped", failed: "Failed", done: branch.finish === "length" ? "Length reached" : "Finished" };
        const count = branch.tokens.length;
        // Screen readers hear how an answer ended, not every number on the way.
        byId("status").setAttribute("aria-live", branch.status === "running" ? "off" : "polite");
        byId("status").textContent = `${ends[branch.status]} · ${count} token${count === 1 ? "" : "s"}`;
    }
}
