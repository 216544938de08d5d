// The page's modules that need no browser: branches with undo, and how texts and numbers read.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { Conversation, messagesOf } from "../../src/Cli/Server/wwwroot/conversation.js";
import { brief, clipped, count, entropyLevel, percent, visible } from "../../src/Cli/Server/wwwroot/text.js";
import { BranchTree } from "../../src/Cli/Server/wwwroot/tree.js";

const Folder = new URL("../../src/Cli/Server/wwwroot/", import.meta.url);
const tokens = latents => latents.map(latent => ({ text: `t${latent}`, latent }));

function story(latents) {
    const tree = new BranchTree(), root = tree.start();
    root.tokens = tokens(latents);
    return { tree, root };
}

test("Fork_AtSharedToken_HangsAtItsOwner", () => {
    const { tree, root } = story([0, 1, 2, 3]);
    const { branch: late } = tree.fork(root, 2, 5);
    late.tokens = tokens([0, 1, 5, 6]);
    const { branch: early } = tree.fork(late, 1, 4);
    assert.equal(early.parent, root);
    assert.deepEqual(early.tokens, late.tokens.slice(0, 1));
    const { branch: sibling } = tree.fork(late, 2, 7);
    assert.equal(sibling.parent, root);
    const { branch: child } = tree.fork(late, 3, 8);
    assert.equal(child.parent, late);
    assert.deepEqual(tree.children(root), [early, late, sibling]);
    assert.deepEqual([...tree.taken(late, 2)], [2, 5, 7]);
});

test("Fork_OptionThatWasTaken_SelectsItsBranch", () => {
    const { tree, root } = story([0, 1]);
    const { branch } = tree.fork(root, 1, 3);
    branch.tokens = tokens([0, 3]);
    assert.deepEqual(tree.fork(branch, 1, 1), { branch: root, isNew: false });
    assert.deepEqual(tree.fork(root, 1, 3), { branch, isNew: false });
    assert.equal(tree.shown.length, 2);
});

test("UndoRedo_ForkAndSelect_StepThroughStates", () => {
    const { tree, root } = story([0, 1]);
    assert.equal(tree.canUndo, false);
    const { branch } = tree.fork(root, 1, 3);
    tree.select(root);
    tree.undo();
    assert.equal(tree.current, branch);
    tree.undo();
    assert.deepEqual([tree.current, tree.shown, tree.canUndo, tree.canRedo], [root, [root], false, true]);
    tree.redo();
    assert.deepEqual(tree.shown, [root, branch]);
    tree.undo();
    tree.fork(root, 0, 9);
    assert.equal(tree.canRedo, false);
});

test("Latents_TokenWithoutOption_AreNull", () => {
    const { root } = story([0, 1]);
    root.tokens.push({ text: "x", latent: null }, { text: "y", latent: 2 });
    assert.deepEqual(root.latents(2), [0, 1]);
    assert.equal(root.latents(3), null);
    assert.equal(root.latents(9), null);
    assert.deepEqual(root.latents(0), []);
});

test("Visible_BlanksAndControls_AreSpelledOut", () => {
    assert.equal(visible(" a\n\tb\r"), "␣a⏎⇥b␍");
    assert.equal(visible("a\u202eb\u0007\u200b\u00a0"), "a⟨U+202E⟩b⟨U+0007⟩⟨U+200B⟩⟨U+00A0⟩");
    assert.equal(visible(""), "∅");
});

test("Numbers_Range_ReadShort", () => {
    assert.deepEqual([0, 0.0004, 0.1234, 0.9999, 1, NaN].map(percent), ["0.0%", "<0.1%", "12.3%", "100%", "100%", "–"]);
    assert.deepEqual([0, 0.0099, 0.1, 0.69, 1, 2.8, 12, undefined].map(entropyLevel), [0, 0, 1, 2, 3, 5, 5, null]);
    assert.deepEqual([0, 0.123456, 1234567, 0.00002, -0.5].map(brief), ["0", "0.1235", "1,234,567", "2e-5", "-0.5"]);
    assert.deepEqual([999, 12345, 333600, 1777090000].map(count), ["999", "12.3 k", "334 k", "1.78 G"]);
    assert.equal(clipped("abcdef", 4), "abc…");
});

test("Sources_Everywhere_InsertNoMarkup", () => {
    for (const name of readdirSync(Folder)) {
        const source = readFileSync(new URL(name, Folder), "utf8");
        assert.doesNotMatch(source, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function/, name);
        if (name.endsWith(".html")) assert.doesNotMatch(source, /\sstyle=|<style|\son\w+=|<script(?![^>]*\ssrc=)/, name);
        assert.ok(source.split("\n").length <= 300, `${name} is long`);
    }
});

test("Messages_Conversation_SendsFinishedTurnsInOrder", () => {
    const conversation = new Conversation();
    conversation.add("hello", "hi");
    conversation.add("lost", "");
    conversation.add("how?", "so");
    const story = { system: "be brief", prompt: "and now?", turns: conversation.turns };
    assert.deepEqual(messagesOf(story).map(message => `${message.role}: ${message.content}`),
        ["system: be brief", "user: hello", "assistant: hi", "user: how?", "assistant: so", "user: and now?"]);
    conversation.clear();
    assert.equal(story.turns.length, 2);
    assert.deepEqual(messagesOf({ prompt: "again", turns: conversation.turns }), [{ role: "user", content: "again" }]);
});
