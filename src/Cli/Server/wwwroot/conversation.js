// A conversation: the turns that are over, which every further request of the chat sends along.
import { el } from "./dom.js";

export class Conversation {
    #turns = [];

    /** The finished turns, oldest first: {user, assistant}. */
    get turns() { return this.#turns; }

    /** Ends a turn; an answer without text is none. */
    add(user, assistant) {
        if (assistant !== "") this.#turns = [...this.#turns, { user, assistant }];
    }

    clear() { this.#turns = []; }
}

/** The messages of a chat request: system, finished turns, and what is asked now. */
export function messagesOf(story) {
    return [
        ...(story.system ? [{ role: "system", content: story.system }] : []),
        ...(story.turns ?? []).flatMap(turn => [{ role: "user", content: turn.user }, { role: "assistant", content: turn.assistant }]),
        { role: "user", content: story.prompt },
    ];
}

/** The turns as list items: who spoke, and what. */
export const turnItems = turns => turns.flatMap(turn => [spoken("You", turn.user), spoken("Model", turn.assistant)]);

const spoken = (who, text) => el("li", {}, el("span", { class: "strong" }, `${who}: `), text);
