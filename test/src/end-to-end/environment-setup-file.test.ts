import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { startGalaxy } from "../support/galaxy.ts";

describe("environment_setup_file", function () {
  this.timeout(60_000);
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "galaxy-test-setup-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it("is sourced by a job's script, which has its home by then", async () => {
    const file = join(folder, "it's a setup.sh");
    const proof = join(folder, "proof");
    await writeFile(file, `printf %s "$_GALAXY_JOB_HOME_DIR" > ${proof}\n`);
    const galaxy = await startGalaxy({ galaxy: { environment_setup_file: file } });
    try {
      const { jobs } = await galaxy.api("/api/tools", { body: { tool_id: "sleep", inputs: { seconds: 0 } } });
      expect(await galaxy.job(jobs[0].id, ["ok", "error"])).to.include({ state: "ok" });
      expect(await readFile(proof, "utf8")).to.match(/\/home$/);
    } finally {
      await galaxy.stop();
    }
  });
});
