import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { chromium, type Browser, type Page } from "playwright-core";
import { chromiumFlags, findChromium } from "../support/browser.ts";
import { startGalaxy, type Galaxy } from "../support/galaxy.ts";

const half = 6_000;
const line = (index: number) => `${String(index).padStart(6, "0")} é`;
const bytesOf = (lines: number) => lines * Buffer.byteLength(`${line(0)}\n`);

describe("the streams of a job that ends while it is watched", function () {
  this.timeout(120_000);
  let galaxy: Galaxy;
  let browser: Browser;
  let folder: string;
  let page: Page;

  before(async function () {
    const executable = findChromium();
    if (executable === undefined) {
      console.warn("skipped: the browser tests need the program chromium");
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), "galaxy-watched-"));
    const print = (first: number, last: number) =>
      `seq -f '%06.0f é' ${first} ${last}; seq -f '%06.0f é' ${first} ${last} >&2`;
    await writeFile(
      join(folder, "talk.yml"),
      `class: GalaxyUserTool
id: talk
name: Talk
version: "1"
shell_command: |
  ${print(0, half - 1)}; while [ ! -e '${folder}/gate' ]; do sleep 0.05; done; ${print(half, 2 * half - 1)}
inputs: []
outputs: []
`,
    );
    galaxy = await startGalaxy({ tools: folder });
    browser = await chromium.launch({ executablePath: executable, args: chromiumFlags });
    page = await (await browser.newContext({ baseURL: galaxy.address })).newPage();
    page.setDefaultTimeout(30_000);
  });
  after(async () => {
    await browser?.close();
    await galaxy?.stop();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  it("stay as they were shown, and go on to their ends; what the job has not kept is said", async () => {
    const { jobs } = await galaxy.api("/api/tools", { body: { tool_id: "talk", inputs: {} } });
    await page.goto(`/jobs/${jobs[0].id}`);
    const stdout = page.locator('[data-stream="stdout"]');
    await stdout.filter({ hasText: line(half - 1) }).waitFor();
    await writeFile(join(folder, "gate"), "");
    await galaxy.job(jobs[0].id, ["ok"], 40_000);
    for (const name of ["stdout", "stderr"]) {
      const stream = page.locator(`[data-stream="${name}"]`);
      await stream.filter({ hasText: line(2 * half - 1) }).waitFor();
      const text = (await stream.textContent())!;
      expect(text).to.not.contain("�");
      const shown = Array.from(text.matchAll(/\d{6} é/g), ([found]) => Number.parseInt(found, 10));
      // In order, each once, the first half whole.
      expect(shown.slice(0, half)).to.deep.equal(Array.from({ length: half }, (_, index) => index));
      for (const [index, number] of shown.entries())
        if (index > 0) expect(number).to.be.above(shown[index - 1]!);
      expect(shown.at(-1)).to.equal(2 * half - 1);
      const out = Number(/\[(\d+) bytes left out\]/.exec(text)?.[1] ?? 0);
      const shownBytes = Buffer.byteLength(text.replace(/\n\.\.\n\[\d+ bytes left out\]\n\.\.\n/, ""));
      expect(shownBytes + out).to.equal(bytesOf(2 * half));
    }
  });

  it("are shown as the job keeps them to who comes later", async () => {
    await page.reload();
    const stdout = page.locator('[data-stream="stdout"]');
    await stdout.filter({ hasText: line(2 * half - 1) }).waitFor();
    expect(await stdout.textContent()).to.match(/\[\d+ bytes left out\]/);
  });
});
