// The option explorer in a real browser. Against the mock server, or a running `ollm serve` named by OLLM_PAGE_URL.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { finished, forkPlace, generate, open, shot, tokensOf, until } from "./browser.mjs";

const Problem = process.env.OLLM_PAGE_PROMPT ?? "3 + 4 * 7";
const Hostile = "<img src=x onerror=\"window.hacked=1\">";
let browser, page;

before(async () => { browser = await open(); });
after(async () => { await browser?.close(); });

/** A test with a page of its own, in which nothing may complain but what `allowed` matches. */
function pageTest(name, body, { prepare, allowed = /^$/, skip = false } = {}) {
    test(name, { skip }, async () => {
        page = await browser.newPage(prepare);
        await until(async () => (await page.locator("#facts li").count()) > 0 || (await page.locator("#key-dialog[open]").count()) > 0, "the model facts are there");
        await body();
        assert.deepEqual(page.complaints.filter(text => !allowed.test(text)), []);
        await page.close();
    });
}

const answer = () => page.locator("#answer .token");
const branches = () => page.locator("#branches [role=treeitem]");
const focusedIsIn = selector => page.evaluate(where => Boolean(document.activeElement.closest(where)), selector);

async function noSidewaysScroll() {
    const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    assert.ok(inner <= outer, `the page is ${inner} pixels wide in a window of ${outer}`);
}

/** Replaces the completions of the server by one answer of these tokens. */
const answerWith = tokens => async target => target.route("**/v1/completions", route => route.fulfill({
    contentType: "text/event-stream",
    body: `data: ${JSON.stringify({ choices: [{ index: 0, text: tokens.map(token => token.text).join(""), finish_reason: "stop", ollm: { tokens } }] })}\n\ndata: [DONE]\n\n`,
}));

pageTest("Generate_Prompt_StreamsColouredTokens", async () => {
    await generate(page, Problem);
    assert.ok(await answer().count() >= 3);
    for (const name of await answer().evaluateAll(nodes => nodes.map(node => node.className))) assert.match(name, /\be[0-5]\b/);
    assert.equal(await page.locator("#legend li").count(), 6);
    const spoken = await page.textContent("#live");
    assert.equal(spoken, (await tokensOf(page)).join(""));
    await noSidewaysScroll();
});

pageTest("Hover_Token_ShowsItsOptions", async () => {
    await generate(page, Problem);
    const info = await page.evaluate(async () => (await fetch("ollm/info")).json());
    await answer().nth(1).hover();
    await until(async () => /token 2/.test(await page.textContent("#options")), "the panel shows token 2");
    assert.equal(await page.locator("#options li").count(), info.options);
    assert.equal(await page.locator("#options li.chosen").count(), 1);
    const label = await page.locator("#options li.chosen button").getAttribute("aria-label");
    assert.match(label, /^Option \d+: .*, probability [\d.]+%, policy <?[\d.]+%, taken$/);
    const widths = await page.locator("#options .fill.policy").evaluateAll(bars => bars.map(bar => Number.parseFloat(bar.style.width)));
    assert.ok(Math.abs(widths.reduce((a, b) => a + b) - 100) < 0.5, `the policy's bars sum to ${widths.reduce((a, b) => a + b)} %`);
});

pageTest("Fork_OtherOption_BranchesAndUndoRedoSwitch", async () => {
    await generate(page, Problem);
    const first = await tokensOf(page), { index, option } = await forkPlace(page);
    const said = (await page.locator("#options li").nth(option).locator("code").textContent());
    await page.locator("#options li button").nth(option).click();
    await finished(page);
    const second = await tokensOf(page);
    assert.deepEqual(second.slice(0, index), first.slice(0, index));
    assert.notDeepEqual(second[index], first[index]);
    assert.equal(second[index].replaceAll(" ", "␣").replaceAll("\n", "⏎").replaceAll("\t", "⇥"), said);
    assert.equal(await page.locator("#answer .forked").count(), 1);
    assert.equal(await branches().count(), 2);
    await until(async () => (await page.locator("#options li.chosen .number").textContent()) === String(option), "the panel shows the option taken");
    await shot(page, "explore-light");
    await page.emulateMedia({ media: "print" });
    await shot(page, "print");
    await page.emulateMedia({ media: "screen" });

    await page.click("#undo");
    assert.deepEqual(await tokensOf(page), first);
    assert.equal(await branches().count(), 1);
    await page.click("#redo");
    assert.deepEqual(await tokensOf(page), second);
    await branches().first().locator(".branch").first().click();
    assert.deepEqual(await tokensOf(page), first);
    assert.equal(await branches().count(), 2);
    await page.keyboard.press("Control+z");
    assert.deepEqual(await tokensOf(page), second);
});

pageTest("Fork_SameOptionTwice_ReturnsToItsBranch", async () => {
    await generate(page, Problem);
    const { index, option } = await forkPlace(page);
    await page.locator("#options li button").nth(option).click();
    await finished(page);
    const forked = await tokensOf(page);
    await branches().first().locator(".branch").first().click();
    await answer().nth(index).focus();
    assert.match(await page.locator("#options li").nth(option).textContent(), /has a branch/);
    await page.locator("#options li button").nth(option).click();
    assert.deepEqual(await tokensOf(page), forked);
    assert.equal(await branches().count(), 2);
});

pageTest("Keyboard_Alone_GeneratesForksAndUndoes", async () => {
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
    for (let i = 0; i < 12 && !(await focusedIsIn("#prompt")); i++) await page.keyboard.press("Tab");
    await page.keyboard.type(Problem);
    await page.keyboard.press("Control+Enter");
    await finished(page);
    for (let i = 0; i < 16 && !(await focusedIsIn("#answer")); i++) await page.keyboard.press("Tab");
    assert.ok(await focusedIsIn("#answer .token"));
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement.querySelector(".body")).outlineStyle);
    assert.equal(outline, "solid");
    await page.keyboard.press("ArrowRight");
    assert.match(await page.textContent("#options"), /token 2/);
    await page.keyboard.press("Home");
    const { index, option } = await forkPlace(page);
    await page.keyboard.press("Enter");
    assert.ok(await focusedIsIn("#options .chosen"));
    await page.keyboard.press("Escape");
    assert.ok(await focusedIsIn("#answer"));
    await page.keyboard.press("Enter");
    await page.keyboard.press("Home");
    for (let i = 0; i < option; i++) await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await finished(page);
    await until(() => focusedIsIn("#answer .forked"), "the keyboard is at the new token");
    assert.equal(await page.locator("#answer .forked").evaluate(node => [...node.parentElement.children].indexOf(node)), index);
    await page.keyboard.press("Control+z");
    assert.equal(await branches().count(), 1);
    await page.locator("#tab-explore").focus();
    await page.keyboard.press("ArrowRight");
    assert.equal(await page.getAttribute("#tab-compare", "aria-selected"), "true");
});

pageTest("Branches_ArrowKeysAndEnter_Switch", async () => {
    await generate(page, Problem);
    const first = await tokensOf(page), { option } = await forkPlace(page);
    await page.locator("#options li button").nth(option).click();
    await finished(page);
    await branches().nth(1).focus();
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Enter");
    assert.deepEqual(await tokensOf(page), first);
    assert.ok(await focusedIsIn("#branches .current"));
});

pageTest("Compare_Prompt_FillsThreeColumns", async () => {
    await page.click("#tab-compare");
    await page.fill("#prompt", Problem);
    await page.fill("#forced", "1");
    await page.click("#generate");
    await until(async () => (await page.locator("#compare-columns .status").allTextContents()).every(text => /^(Finished|Length)/.test(text)), "all three have ended");
    for (let i = 0; i < 3; i++) assert.ok(await page.locator("#compare-columns .tokens").nth(i).locator(".token").count() >= 3);
    assert.equal(await page.locator("#compare-columns h2").nth(2).textContent(), "Option 1");
    assert.match(await page.locator("#compare-columns .status").nth(1).textContent(), /same as the backbone|parts from the backbone/);
    await page.locator("#compare-columns .tokens").nth(2).locator(".token").first().focus();
    assert.equal(await page.locator("#compare-options .chosen .number").textContent(), "1");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Escape");
    assert.ok(await focusedIsIn("#compare-columns .token"));
    await shot(page, "compare-light");
});

pageTest("Training_View_DrawsWhatTheServerHas", async () => {
    const rows = await page.evaluate(async () => (await fetch("ollm/metrics")).json());
    await page.click("#tab-training");
    if (rows.length === 0) {
        await until(async () => /no training metrics/.test(await page.textContent("#training-status")), "the page says that there is nothing");
        return;
    }
    await until(async () => await page.locator(".chart svg[role=img]").count() >= 4, "the charts are drawn");
    assert.match(await page.locator(".chart svg").first().getAttribute("aria-label"), /^Loss: last -?[\d.e-]+, lowest -?[\d.e-]+, highest -?[\d.e-]+$/);
    assert.equal(await page.locator(".chart path.line:not([d^=M])").count(), 0);
    await page.locator(".chart svg").first().hover();
    assert.match(await page.locator(".chart .readout").first().textContent(), /^step/);
    await shot(page, "training-light");
});

pageTest("Training_LatentRlMetrics_ShowsTheirFigures", async () => {
    await page.click("#tab-training");
    await until(async () => await page.locator(".chart").count() === 3, "three charts are drawn");
    assert.deepEqual(await page.locator(".chart strong").allTextContents(), ["Reward", "Learning rate", "Skipped groups"]);
}, { prepare: async target => target.route("**/ollm/metrics", route => route.fulfill({ json: [{ step: 1, reward: 0.4, lr: 1e-3, skipped_groups: 3 }, { step: 2, reward: 0.5, lr: null, skipped_groups: 2 }] })) });

pageTest("Theme_SystemAndToggle_BothWork", async () => {
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.emulateMedia({ colorScheme: "light" });
    const light = await background();
    await page.emulateMedia({ colorScheme: "dark" });
    const dark = await background();
    assert.notEqual(dark, light);
    await generate(page, Problem);
    const { option } = await forkPlace(page);
    await page.locator("#options li button").nth(option).click();
    await finished(page);
    await shot(page, "explore-dark");
    await page.click("#tab-compare");
    await page.click("#generate");
    await until(async () => (await page.locator("#compare-columns .status").allTextContents()).every(text => /^(Finished|Length)/.test(text)), "all three have ended");
    await shot(page, "compare-dark");
    await page.click("#theme");
    assert.equal(await background(), light);
    await page.reload();
    assert.equal(await background(), light);
    await page.click("#theme");
    assert.equal(await background(), dark);
    await page.evaluate(() => localStorage.clear());
});

pageTest("Phone_360Pixels_NeverScrollsSideways", async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await noSidewaysScroll();
    await generate(page, Problem);
    const { option } = await forkPlace(page);
    await noSidewaysScroll();
    await page.locator("#options li button").nth(option).click();
    await finished(page);
    await noSidewaysScroll();
    await page.evaluate(() => scrollTo(0, 0));
    await shot(page, "phone-top");
    await page.locator("#options").scrollIntoViewIfNeeded();
    await page.locator("#answer-heading").evaluate(node => node.scrollIntoView());
    await shot(page, "phone-answer");
    await page.locator("#options").evaluate(node => node.scrollIntoView());
    await shot(page, "phone-options");
    for (const view of ["compare", "training"]) {
        await page.click(`#tab-${view}`);
        await noSidewaysScroll();
    }
});

pageTest("Chat_Message_StreamsAnAnswer", async () => {
    await page.check("input[value=chat]", { force: true });
    assert.ok(await page.isVisible("#system"));
    const sent = page.waitForRequest("**/v1/chat/completions");
    await page.fill("#system", "Be brief.");
    await generate(page, Problem);
    assert.deepEqual((await sent).postDataJSON().messages, [{ role: "system", content: "Be brief." }, { role: "user", content: Problem }]);
    assert.ok(await answer().count() >= 1);
});

pageTest("Chat_SecondMessage_SendsTheConversationUntilANewOne", async () => {
    const sentBy = async prompt => {
        const sent = page.waitForRequest("**/v1/chat/completions");
        await generate(page, prompt);
        return (await sent).postDataJSON().messages;
    };
    await page.check("input[value=chat]", { force: true });
    await sentBy(Problem);
    const text = (await tokensOf(page)).join("");
    const [first, said, second] = await sentBy("And then?");
    assert.deepEqual([first, second], [{ role: "user", content: Problem }, { role: "user", content: "And then?" }]);
    assert.equal(said.role, "assistant");
    assert.ok(said.content !== "" && text.startsWith(said.content), `${said.content} is not the answer ${text}`);
    assert.equal(await page.locator("#turns li").count(), 2);
    await page.click("#new-chat");
    assert.equal(await page.locator("#turns").isVisible(), false);
    assert.deepEqual(await sentBy("Anew"), [{ role: "user", content: "Anew" }]);
});

pageTest("HostileText_PromptAndOptions_StaysText", async () => {
    await generate(page, Hostile);
    assert.equal(await answer().first().textContent(), Hostile);
    await answer().first().focus();
    assert.equal(await page.locator("#options code").nth(1).textContent(), Hostile.replaceAll(" ", "␣"));
    assert.equal(await page.locator("#options code").nth(2).textContent(), "abc⟨U+202E⟩def");
    assert.equal(await page.locator("#answer .mark.newline").count(), 1);
    await page.locator("#options li button").nth(1).click();
    await finished(page);
    assert.equal(await page.locator("img").count(), 0);
    assert.equal(await page.evaluate(() => window.hacked), undefined);
}, {
    prepare: answerWith([
        { token: 1, text: Hostile, latent: 0, entropy: 0.2, policy: [0.6, 0.4], options: [{ token: 1, text: Hostile, probability: 0.9 }, { token: 2, text: "abc\u202edef", probability: 0.1 }] },
        { token: 3, text: "\n", latent: 1, entropy: 3, policy: [0.6, 0.4], options: [{ token: 2, text: Hostile, probability: 0.9 }, { token: 3, text: "\n", probability: 0.1 }] },
    ]),
});

pageTest("Key_Refused_IsAskedForKeptInTheTabAndSent", async () => {
    await page.fill("#key", "secret");
    await page.keyboard.press("Enter");
    await until(async () => await page.locator("#facts li").count() > 0, "the facts came with the key");
    assert.equal(await page.evaluate(() => sessionStorage.getItem("ollm-key")), "secret");
    assert.equal(await page.evaluate(() => JSON.stringify(localStorage).includes("secret")), false);
}, {
    prepare: async target => target.route("**/ollm/info", route => route.request().headers().authorization === "Bearer secret"
        ? route.continue()
        : route.fulfill({ status: 401, json: { error: { message: "an API key is needed" } } })),
    allowed: /401/,
});

pageTest("ServerError_Completion_IsShown", async () => {
    await page.fill("#prompt", Problem);
    await page.press("#prompt", "Control+Enter");
    await until(() => page.isVisible("#problem"), "the message shows");
    assert.equal(await page.textContent("#problem"), "the prompt has 900 tokens; the context holds 256");
    assert.match(await page.textContent("#status"), /^Failed/);
}, {
    prepare: async target => target.route("**/v1/completions", route => route.fulfill({ status: 400, json: { error: { message: "the prompt has 900 tokens; the context holds 256" } } })),
    allowed: /400/,
});

pageTest("Print_Answer_LeavesTheControlsOut", async () => {
    await generate(page, Problem);
    await page.emulateMedia({ media: "print" });
    for (const id of ["#theme", ".settings", ".tabs", "#undo"]) assert.equal(await page.locator(id).first().isVisible(), false, id);
    assert.ok(await page.isVisible("#answer"));
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
});

pageTest("Stop_LongAnswer_EndsItAndContinueGoesOn", async () => {
    const most = process.env.OLLM_PAGE_URL ? 1500 : 300; // A server under load may write ahead of the browser.
    await page.fill("#max-tokens", String(most));
    await page.fill("#prompt", "a long story");
    await page.press("#prompt", "Control+Enter");
    await until(async () => await answer().count() > 5, "some tokens came");
    await page.click("#stop");
    await until(async () => /^Stopped/.test(await page.textContent("#status")), "it has stopped");
    const stopped = await tokensOf(page);
    assert.ok(stopped.length < most);
    await new Promise(resolve => setTimeout(resolve, 150));
    assert.deepEqual(await tokensOf(page), stopped);
    await page.click("#continue");
    await until(async () => await answer().count() > stopped.length, "it goes on");
    assert.deepEqual((await tokensOf(page)).slice(0, stopped.length), stopped);
    await page.keyboard.press("Escape");
    await until(async () => /^Stopped/.test(await page.textContent("#status")), "Escape stops it too");
}, { skip: process.env.OLLM_PAGE_URL && !process.env.OLLM_PAGE_SLOW ? "a small model is done before anybody could stop it; OLLM_PAGE_SLOW says that this one is not" : false });
