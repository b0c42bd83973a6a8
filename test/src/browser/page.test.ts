import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import { chromiumFlags, findChromium } from "../support/browser.ts";
import { startGalaxy, type Galaxy } from "../support/galaxy.ts";

describe("the page in a browser", function () {
  this.timeout(60_000);
  let galaxy: Galaxy;
  let browser: Browser;
  let page: Page;
  let screenshots: string;
  let complaints: string[];

  before(async function () {
    const executable = findChromium();
    if (executable === undefined) {
      console.warn("skipped: the browser tests need the program chromium");
      this.skip();
    }
    galaxy = await startGalaxy();
    browser = await chromium.launch({ executablePath: executable, args: chromiumFlags });
    screenshots = await mkdtemp(join(tmpdir(), "galaxy-page-"));
  });
  after(async () => {
    await browser?.close();
    await galaxy?.stop();
  });
  beforeEach(async () => {
    page = await open();
  });
  afterEach(async () => {
    await page?.context().close();
    // Uncaught errors and whatever the content security policy had to stop.
    expect(complaints).to.deep.equal([]);
  });

  async function open(options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext({ ...options, baseURL: galaxy.address });
    const opened = await context.newPage();
    opened.setDefaultTimeout(15_000);
    complaints = [];
    opened.on("pageerror", (error) => complaints.push(error.message));
    opened.on("console", (message) => {
      if (/Content Security Policy/i.test(message.text())) complaints.push(message.text());
    });
    return opened;
  }

  const heading = (name: string) => page.getByRole("heading", { level: 1, name });
  const runButton = () => page.getByRole("button", { name: "Run", exact: true });
  const jobState = (state: string) => page.locator(`.job-title [data-state="${state}"]`);

  async function runAndFollow(tool: string, fields: Record<string, string>): Promise<string> {
    await page.goto(`/tools/${tool}`);
    for (const [name, value] of Object.entries(fields)) await page.locator(`#field-${name}`).fill(value);
    await runButton().click();
    await page.getByRole("link", { name: "Follow the job" }).click();
    await page.waitForURL(/\/jobs\/[0-9a-f]+$/);
    return page.url().split("/").at(-1)!;
  }

  it("uploads a file, runs a tool on it, shows each state without a reload, and downloads the same bytes", async () => {
    await page.goto("/");
    await page.getByRole("link", { name: /Concatenate/ }).click();
    await heading("Concatenate datasets").waitFor();
    await page
      .locator('input[type="file"]')
      .first()
      .setInputFiles({
        name: "größe <b>.txt",
        mimeType: "text/plain",
        buffer: Buffer.from("one\ntwo\n"),
      });
    await page.locator('.uploads [data-status="done"]').waitFor();
    await page
      .locator("#field-input1 option:checked", { hasText: "größe <b>.txt" })
      .waitFor({ state: "attached" });
    await runButton().click();
    // The list beside the form follows by itself.
    await page.locator('.job-list [data-state="ok"]').first().waitFor();
    await page.getByRole("link", { name: "Follow the job" }).click();
    await jobState("ok").waitFor();
    await page.locator('[data-fact="exit-code"]', { hasText: "0" }).waitFor();
    const download = page.waitForEvent("download");
    await page
      .getByRole("link", { name: /^Download/ })
      .first()
      .click();
    expect(await readFile(await (await download).path(), "utf8")).to.equal("one\ntwo\n");
  });

  it("saves pasted text as a dataset of that name", async () => {
    await page.goto("/upload");
    await page.getByLabel("Name").fill("pasted here");
    await page.getByLabel("Text", { exact: true }).fill("a\tb\n");
    await page.getByRole("button", { name: "Save as a dataset" }).click();
    await page.getByText("Saved as “pasted here”.").waitFor();
    await page.goto("/datasets");
    await page.getByRole("button", { name: "Look inside pasted here" }).click();
    await page.locator(".peek", { hasText: "a\tb" }).waitFor();
  });

  it("shows the streams of a job as they grow, and cancels it", async () => {
    await runAndFollow("sleep", { seconds: "600" });
    await jobState("running").waitFor();
    const stdout = page.locator('[data-stream="stdout"]');
    await stdout.filter({ hasText: "slept 1 s" }).waitFor();
    await stdout.filter({ hasText: "slept 2 s" }).waitFor();
    expect((await stdout.innerText()).match(/slept 0 s/g)).to.have.length(1);
    await page.getByRole("button", { name: "Cancel" }).click();
    await jobState("deleted").waitFor();
  });

  it("runs a job again with its values filled in", async () => {
    const first = await runAndFollow("sleep", { seconds: "0" });
    await jobState("ok").waitFor();
    await page.getByRole("link", { name: "Run again" }).click();
    await heading("Sleep").waitFor();
    expect(await page.locator("#field-seconds").inputValue()).to.equal("0");
    await runButton().click();
    await page.waitForURL((url) => url.pathname.startsWith("/jobs/") && !url.pathname.endsWith(first));
    await jobState("ok").waitFor();
  });

  it("shows the exit code and stderr of a job that fails, as text", async () => {
    await runAndFollow("fail_with_code", { code: "42", message: "it's <b>broken</b>" });
    await jobState("error").waitFor();
    await page.locator('[data-fact="exit-code"]', { hasText: "42" }).waitFor();
    await page.locator('[data-stream="stderr"]', { hasText: "it's <b>broken</b>" }).waitFor();
  });

  it("says why a job waits, and follows when the reason goes away", async () => {
    const handler = galaxy.handlers[0]!;
    expect(await handler.stop()).to.equal(0);
    await runAndFollow("sleep", { seconds: "0" });
    await jobState("new").waitFor();
    const why = page.locator('[data-why="no-pool"]');
    await why.filter({ hasText: "Pool job-handlers has no live handler since" }).waitFor();
    await page.screenshot({ path: join(screenshots, "why.png"), fullPage: true });
    await galaxy.startHandler("handler0");
    await jobState("ok").waitFor();
    expect(await page.locator("[data-why]").count()).to.equal(0);
  });

  it("puts the server's complaint beside its field, and the focus on the summary", async () => {
    await page.goto("/tools/sleep");
    await page.locator("#field-seconds").fill("long");
    await runButton().click();
    const summary = page.getByText("The job was not submitted.");
    await summary.waitFor();
    await page.locator(".form-problems:focus").waitFor();
    await page.locator("#field-seconds-problem").waitFor();
    await page.locator(".form-problems").getByRole("button", { name: "Seconds" }).click();
    await page.locator("#field-seconds:focus").waitFor();
    await page.locator("#field-seconds").fill("0");
    await runButton().click();
    await page.getByRole("link", { name: "Follow the job" }).waitFor();
    expect(await summary.count()).to.equal(0);
  });

  it("shows the inputs of the chosen case only", async () => {
    await page.goto("/tools/random_lines1");
    await page.getByLabel(/a new one each time/).waitFor();
    expect(await page.locator('[id="field-seed_source.seed"]').count()).to.equal(0);
    await page.getByLabel(/set by me/).check();
    await page.locator('[id="field-seed_source.seed"]').waitFor();
  });

  it("keeps the filter of the jobs in the address, and the back button works", async () => {
    await runAndFollow("fail_with_code", { code: "3" });
    await jobState("error").waitFor();
    await page.getByRole("link", { name: "Jobs", exact: true }).first().click();
    await page.getByLabel("State").selectOption("error");
    await page.waitForURL(/state=error/);
    await page.locator('.jobs-table [data-state="error"]').first().waitFor();
    await page.locator('.jobs-table [data-state="ok"]').first().waitFor({ state: "detached" });
    await page.goBack();
    await page.waitForURL(/\/jobs\/[0-9a-f]+$/);
    await jobState("error").waitFor();
  });

  it("can be used by keyboard alone", async () => {
    await page.goto("/");
    await page.getByRole("link", { name: /Sleep/ }).waitFor();
    await page.keyboard.press("Tab");
    await page.locator(".skip:focus").waitFor();
    await tabTo("#tool-filter");
    await page.keyboard.type("sleep");
    await page.keyboard.press("Enter");
    await heading("Sleep").waitFor();
    await tabTo("#field-seconds");
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.type("0");
    await page.keyboard.press("Enter");
    await page.getByRole("link", { name: "Follow the job" }).waitFor();
    await tabTo(".started a");
    await page.keyboard.press("Enter");
    await jobState("ok").waitFor();
  });

  for (const colorScheme of ["light", "dark"] as const) {
    it(`fits a phone 360 pixels wide, in ${colorScheme} colours`, async () => {
      const id = await runAndFollow("sleep", { seconds: "0" });
      await page.context().close();
      page = await open({ viewport: { width: 360, height: 740 }, colorScheme });
      for (const path of ["/", "/tools/random_lines1", "/upload", "/jobs", `/jobs/${id}`, "/datasets"]) {
        await page.goto(path);
        await page.locator(".live-live").waitFor();
        await page.getByText("Loading").first().waitFor({ state: "detached" });
        expect(await page.evaluate("document.documentElement.scrollWidth"), path).to.be.at.most(360);
        await page.screenshot({
          path: join(screenshots, `${colorScheme}-${path.split("/")[1] || "start"}.png`),
          fullPage: true,
        });
      }
      const background = await page.evaluate("getComputedStyle(document.body.parentElement).backgroundColor");
      const [red = 0] = (String(background).match(/\d+/g) ?? []).map(Number);
      if (colorScheme === "dark") expect(red).to.be.below(60);
      else expect(red).to.be.above(200);
    });
  }

  /** Presses Tab until the element has the focus; a trap or a wrong order ends it. */
  async function tabTo(selector: string): Promise<void> {
    for (let presses = 0; presses < 60; presses += 1) {
      await page.keyboard.press("Tab");
      if ((await page.locator(`${selector}:focus`).count()) > 0) return;
    }
    throw new Error(`60 times Tab did not reach ${selector}`);
  }
});
