import { existsSync } from "node:fs";
import { expect } from "chai";
import { chromium, type Browser, type Page } from "playwright-core";
import { startGalaxy, type Galaxy } from "../support/galaxy.ts";

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];

describe("the administrator's page in a browser", function () {
  this.timeout(90_000);
  let galaxy: Galaxy;
  let browser: Browser;
  let page: Page;
  let complaints: string[];

  before(async function () {
    const executable = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
      existsSync,
    );
    if (executable === undefined) {
      console.warn("skipped: the browser tests need the program chromium");
      this.skip();
    }
    galaxy = await startGalaxy({
      handlers: ["handler0", "handler1"],
      workers: 1,
      galaxy: { admin_users: "tester@example.org" },
    });
    browser = await chromium.launch({ executablePath: executable, args: FLAGS });
  });
  after(async () => {
    await browser?.close();
    await galaxy?.stop();
  });
  beforeEach(async () => {
    const context = await browser.newContext({
      baseURL: galaxy.address,
      viewport: { width: 360, height: 800 },
    });
    page = await context.newPage();
    page.setDefaultTimeout(20_000);
    complaints = [];
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.goto("/");
    await page.getByRole("link", { name: "Admin", exact: true }).click();
    await page.getByRole("heading", { level: 1, name: "Administration" }).waitFor();
  });
  afterEach(async () => {
    await page?.context().close();
    expect(complaints).to.deep.equal([]);
  });

  const card = (name: string) => page.locator(`[data-handler="${name}"]`);
  const submit = async (): Promise<string> => {
    const answer = await galaxy.api("/api/tools", { body: { tool_id: "sleep", inputs: { seconds: 600 } } });
    return answer.jobs[0].id;
  };

  it("drains a handler after it has shown the numbers, by the keyboard alone, and resumes it", async () => {
    const ids = [await submit(), await submit()];
    for (const id of ids) await galaxy.job(id, ["running"]);
    await card("handler0").getByText("Running").waitFor();
    await page.getByRole("button", { name: "Drain handler0" }).focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Drain handler0?" });
    await dialog.getByText("1 job under way end there.").waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    expect(await card("handler0").locator("[data-status]").getAttribute("data-status")).to.equal("live");
    await page.getByRole("button", { name: "Drain handler0" }).press("Enter");
    await dialog.getByRole("button", { name: "Drain", exact: true }).press("Enter");
    await card("handler0").locator('[data-status="drained"]').waitFor();
    await card("handler0").getByText("by tester@example.org").waitFor();
    expect(await page.evaluate("document.documentElement.scrollWidth")).to.be.at.most(360);
    await page.getByRole("button", { name: "Resume handler0" }).click();
    await card("handler0").locator('[data-status="live"]').waitFor();
  });

  it("reassigns jobs that run to another handler, and follows without a reload", async () => {
    const running = await galaxy.api("/api/jobs?state=running");
    const id = running[0].id as string;
    const [from, to] =
      running[0].handler === "handler0" ? ["handler0", "handler1"] : ["handler1", "handler0"];
    await page.getByRole("button", { name: `Reassign ${from}` }).click();
    const dialog = page.getByRole("dialog", { name: `Reassign the jobs of ${from}` });
    await dialog.getByLabel("To").selectOption(`handler ${to}`);
    await dialog.getByLabel("Also hand over jobs under way").check();
    await dialog.getByText("1 job under way are handed over while they run.").waitFor();
    await dialog.getByRole("button", { name: "Reassign" }).click();
    await page
      .getByRole("row")
      .filter({ hasText: id.slice(-6) })
      .getByText(to!)
      .waitFor();
    await page
      .getByText(/reassign.*handler/i)
      .first()
      .waitFor();
  });

  it("narrows everybody's jobs by what the address says, and cancels one", async () => {
    await page.getByLabel("State").selectOption("running");
    await page.waitForURL(/state=running/);
    await page.getByRole("searchbox", { name: "User" }).fill("nobody@example.org");
    await page.getByRole("searchbox", { name: "User" }).press("Enter");
    await page.getByText("No job fits.").waitFor();
    await page.getByRole("searchbox", { name: "User" }).fill("");
    await page.getByRole("searchbox", { name: "User" }).press("Enter");
    const cancel = page.getByRole("button", { name: /^Cancel sleep/ }).first();
    const name = (await cancel.innerText()).trim();
    await cancel.click();
    await page.getByRole("button", { name, exact: true }).waitFor({ state: "detached" });
  });

  it("locks the start of jobs and unlocks it", async () => {
    await page.getByRole("button", { name: "Lock the start of jobs" }).click();
    await page.locator('[data-lock="on"]').waitFor();
    expect(await galaxy.api("/api/job_lock")).to.deep.equal({ active: true });
    await page.getByRole("button", { name: "Unlock" }).click();
    await page.locator('[data-lock="off"]').waitFor();
  });

  it("is not there for users", async () => {
    await page.route("**/api/whoami", async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), is_admin: false } });
    });
    await page.goto("/admin");
    await page.getByText("This page is for administrators.").waitFor();
    expect(await page.getByRole("link", { name: "Admin", exact: true }).count()).to.equal(0);
  });
});
