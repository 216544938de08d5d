// What the page's tests share: a browser with an empty profile, the server under test, and waiting.
import { chromium } from "playwright-core";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { start } from "./mock-server.mjs";

const Flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const Browsers = [process.env.OLLM_CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Where screenshots go; null when nobody asked for them. */
const shots = process.env.OLLM_PAGE_SHOTS ?? null;

/** Opens the browser, and the mock server unless OLLM_PAGE_URL names a running one. */
export async function open() {
    const server = process.env.OLLM_PAGE_URL ? null : await start();
    const base = process.env.OLLM_PAGE_URL ?? `http://127.0.0.1:${server.address().port}/`;
    const profile = mkdtempSync(join(tmpdir(), "ollm-page-"));
    const executablePath = Browsers.find(path => path && existsSync(path));
    if (!executablePath) throw new Error("no chromium here; set OLLM_CHROMIUM to one");
    const context = await chromium.launchPersistentContext(profile, { executablePath, args: Flags, chromiumSandbox: false, viewport: { width: 1280, height: 860 } });
    const close = async () => {
        await context.close();
        server?.close();
        server?.closeAllConnections();
        rmSync(profile, { recursive: true, force: true });
    };
    return { base, newPage: (prepare) => newPage(context, base, prepare), close };
}

/** A loaded page that keeps count of what the console and the security policy complain about. */
async function newPage(context, base, prepare = async () => { /* nothing */ }) {
    const page = await context.newPage();
    page.complaints = [];
    page.on("console", message => { if (message.type() === "error") page.complaints.push(message.text()); });
    page.on("pageerror", error => page.complaints.push(String(error)));
    await prepare(page);
    await page.goto(base);
    return page;
}

/** Waits until `probe` gives a true value and returns it. */
export async function until(probe, what, milliseconds = 60000) {
    for (const end = Date.now() + milliseconds; ;) {
        const value = await probe();
        if (value) return value;
        if (Date.now() > end) throw new Error(`waited too long until ${what}`);
        await new Promise(resolve => setTimeout(resolve, 40));
    }
}

/** Writes a prompt, sends it with Ctrl + Enter and waits for the end of the answer. */
export async function generate(page, prompt) {
    await page.fill("#prompt", prompt);
    await page.press("#prompt", "Control+Enter");
    await finished(page);
}

export const finished = page => until(async () => /^(Finished|Length reached|Stopped|Failed)/.test(await page.textContent("#status")), "the answer has ended");

export const tokensOf = page => page.locator("#answer .token").allTextContents();

/** Index of a token, and of another option there with another text: where a fork changes the answer; null when the answer has none. */
export async function forkPlace(page) {
    const count = await page.locator("#answer .token").count();
    for (let index = 0; index < count; index++) {
        await page.locator("#answer .token").nth(index).focus();
        const other = await page.locator("#options li:not(.chosen):not(.same)").first().evaluate(item => [...item.parentElement.children].indexOf(item), null, { timeout: 300 }).catch(() => -1);
        if (other >= 0) return { index, option: other };
    }
    throw new Error("all options of all tokens say the same: there is nothing to fork");
}

export async function shot(page, name) {
    if (shots === null) return;
    mkdirSync(shots, { recursive: true });
    await page.screenshot({ path: join(shots, `${name}.png`) });
}
