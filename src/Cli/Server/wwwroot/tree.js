// The branches of one story, and undo and redo over them. No page elements here.

/**
 * A branch shares its parent's tokens before `at` and takes `option` there. Its `tokens` are the whole answer, shared ones included.
 * status: running, done, stopped or failed.
 */
export class Branch {
    constructor(id, parent, at, option, tokens) {
        Object.assign(this, { id, parent, at, option, tokens, status: "running", finish: null, error: null });
    }

    /** Options taken at the first `count` tokens; null when one was made without options, so that they cannot be taken again. */
    latents(count) {
        const taken = this.tokens.slice(0, count).map(token => token.latent);
        return taken.length === count && taken.every(latent => Number.isInteger(latent) && latent >= 0) ? taken : null;
    }
}

/** All branches that are shown, the current one, and the states before and after. */
export class BranchTree {
    #states = [{ shown: [], current: null }];
    #at = 0;
    #made = 0;

    get current() { return this.#states[this.#at].current; }
    get shown() { return this.#states[this.#at].shown; }
    get canUndo() { return this.#at > 1; }
    get canRedo() { return this.#at < this.#states.length - 1; }
    get root() { return this.shown[0] ?? null; }

    /** Forgets everything and starts a story. */
    start() {
        this.#states = [{ shown: [], current: null }];
        this.#at = 0;
        this.#made = 0;
        return this.#add(null, 0, null, []);
    }

    /** The branch that takes `option` at token `at` of `branch`: one that exists (isNew false) or a new one. */
    fork(branch, at, option) {
        const owner = this.owner(branch, at);
        const existing = owner.tokens[at]?.latent === option ? owner : this.children(owner).find(child => child.at === at && child.option === option);
        if (existing) {
            this.select(existing);
            return { branch: existing, isNew: false };
        }
        return { branch: this.#add(owner, at, option, branch.tokens.slice(0, at)), isNew: true };
    }

    /** The branch that token `at` of `branch` was first written in: forks at a shared token hang there. */
    owner(branch, at) {
        let owner = branch;
        while (owner.parent && at <= owner.at) owner = owner.parent;
        return owner;
    }

    /** Options of token `at` that some branch has taken. */
    taken(branch, at) {
        const owner = this.owner(branch, at);
        const options = this.children(owner).filter(child => child.at === at).map(child => child.option);
        return new Set([owner.tokens[at]?.latent, ...options]);
    }

    children(branch) {
        return this.shown.filter(other => other.parent === branch).sort((a, b) => a.at - b.at || a.id - b.id);
    }

    select(branch) {
        if (branch !== this.current) this.#push({ shown: this.shown, current: branch });
    }

    undo() { if (this.canUndo) this.#at--; }
    redo() { if (this.canRedo) this.#at++; }

    #add(parent, at, option, tokens) {
        const branch = new Branch(this.#made++, parent, at, option, tokens);
        this.#push({ shown: [...this.shown, branch], current: branch });
        return branch;
    }

    #push(state) {
        this.#states.length = this.#at + 1;
        this.#states.push(state);
        this.#at++;
    }
}
