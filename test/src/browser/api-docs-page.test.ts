import { expect } from "chai";
import { chromium, type Browser } from "playwright-core";
import { chromiumFlags, findChromium } from "../support/browser.ts";
import { startGalaxy, type Galaxy } from "../support/galaxy.ts";

describe("the page of the API's description in a browser", function () {
  this.timeout(120_000);
  let galaxy: Galaxy;
  let browser: Browser;
  before(async function () {
    const executable = findChromium();
    if (executable === undefined) {
      console.warn("skipped: the browser tests need the program chromium");
      this.skip();
    }
    galaxy = await startGalaxy({ handlers: [] });
    browser = await chromium.launch({ executablePath: executable, args: chromiumFlags });
  });
  after(async () => {
    await browser?.close();
    await galaxy?.stop();
  });

  it("shows the calls, asks no other host, and breaks no rule of the content security policy", async () => {
    const page = await (await browser.newContext({ baseURL: galaxy.address })).newPage();
    page.setDefaultTimeout(30_000);
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => {
      if (/Content Security Policy/i.test(message.text())) complaints.push(message.text());
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(galaxy.address) && !request.url().startsWith("data:"))
        complaints.push(request.url());
    });
    await page.goto("/api/docs");
    await page.locator(".opblock-summary-path", { hasText: "/console_output" }).waitFor();
    const listing = page.locator("#operations-jobs-get_api_jobs");
    await listing.locator(".opblock-summary-control").click();
    await listing.filter({ hasText: "admin_job_list" }).waitFor();
    expect(complaints).to.deep.equal([]);
  });
});
