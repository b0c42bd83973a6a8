import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { startGalaxy, type Galaxy } from "../support/galaxy.ts";
import { until } from "../support/until.ts";

for (const which of ["embedded", "system"] as const) {
  describe(`a job from request to result on the ${which} PostgreSQL`, function () {
    this.timeout(60_000);
    let galaxy: Galaxy;
    before(async function () {
      const { servers } = await import("../support/global-setup.ts");
      if (servers[which] === undefined) this.skip();
      galaxy = await startGalaxy({ which });
    });
    after(() => galaxy?.stop());

    const paste = async (text: string) => {
      const { outputs, jobs } = await galaxy.api("/api/tools", {
        body: {
          tool_id: "upload1",
          inputs: { "files_0|url_paste": text, "files_0|NAME": "pasted", file_type: "txt" },
        },
      });
      await galaxy.job(jobs[0].id, ["ok"]);
      return outputs[0].id as string;
    };
    const submit = (tool: string, inputs: unknown) =>
      galaxy.api("/api/tools", { body: { tool_id: tool, inputs } });

    it("concatenates two uploads into a dataset that can be downloaded", async () => {
      const first = await paste("one\n");
      const second = await paste("two\n");
      const { jobs, outputs } = await submit("cat1", {
        input1: { src: "hda", id: first },
        queries: [{ input2: { src: "hda", id: second } }],
      });
      expect(jobs[0].state).to.equal("new");
      const job = await galaxy.job(jobs[0].id, ["ok", "error"]);
      expect(job).to.include({ state: "ok", exit_code: 0 });
      expect(await galaxy.api(`/api/datasets/${outputs[0].id}/display`)).to.equal("one\ntwo\n");
    });

    it("runs a chain whose inputs are still being made", async () => {
      const { outputs } = await submit("sleep", { seconds: 1 });
      const next = await submit("cat1", { input1: { src: "hda", id: outputs[0].id }, queries: [] });
      expect(["waiting", "new"]).to.include((await galaxy.api(`/api/jobs/${next.jobs[0].id}`)).state);
      expect((await galaxy.job(next.jobs[0].id, ["ok", "error"])).state).to.equal("ok");
    });

    it("reports the exit code and the stderr of a tool that fails", async () => {
      const { jobs, outputs } = await submit("fail_with_code", { code: 42, message: 'it\'s "broken" $HOME' });
      const job = await galaxy.job(jobs[0].id, ["ok", "error"]);
      expect(job).to.include({ state: "error", exit_code: 42 });
      expect(job.tool_stderr).to.contain('it\'s "broken" $HOME');
      for (const output of outputs)
        expect((await galaxy.api(`/api/datasets/${output.id}`)).state).to.equal("error");
    });

    it("shows the streams of a job while it runs, and ends its whole process tree at once when it is deleted", async () => {
      const { jobs } = await submit("sleep", { seconds: 600 });
      const id = jobs[0].id as string;
      await galaxy.job(id, ["running"]);
      await until(
        async () =>
          (await galaxy.api(`/api/jobs/${id}/console_output?stdout_position=0&stdout_length=10000`))
            .stdout !== "",
        {
          what: "output of the running job",
        },
      );
      const began = performance.now();
      expect(await galaxy.api(`/api/jobs/${id}`, { method: "DELETE" })).to.equal(true);
      await galaxy.job(id, ["deleted"]);
      // The promise is 2 s on a machine that has nothing else to do; the run itself would last ten minutes.
      expect(performance.now() - began).to.be.below(20_000);
      expect(await processesUnder(galaxy.folder)).to.deep.equal([]);
    });

    it("removes the run directories of ended jobs", async () => {
      await until(async () => (await runDirectories(galaxy.folder)).length === 0, {
        what: "the run directories to be removed",
      });
    });

    it("takes up running jobs again after a kill -9 of their handler, with the exact exit code", async () => {
      const { jobs } = await submit("sleep", { seconds: 2 });
      await galaxy.job(jobs[0].id, ["running"]);
      await galaxy.handlers[0]!.stop("SIGKILL");
      galaxy.handlers.splice(0, 1);
      const handler = await galaxy.startHandler("handler0");
      const job = await galaxy.job(jobs[0].id, ["ok", "error"]);
      expect(job).to.include({ state: "ok", exit_code: 0 });
      expect(handler.lines.join("\n")).to.match(/job\.adopted/);
    });

    it("leaves running jobs alone when their handler is stopped gracefully", async () => {
      const { jobs } = await submit("sleep", { seconds: 2 });
      await galaxy.job(jobs[0].id, ["running"]);
      expect(await galaxy.handlers[0]!.stop("SIGTERM")).to.equal(0);
      galaxy.handlers.splice(0, 1);
      expect((await galaxy.api(`/api/jobs/${jobs[0].id}`)).state).to.equal("running");
      await galaxy.startHandler("handler0");
      expect((await galaxy.job(jobs[0].id, ["ok", "error"])).state).to.equal("ok");
    });

    it("deletes a job that no handler has taken", async () => {
      await galaxy.handlers[0]!.stop();
      galaxy.handlers.splice(0, 1);
      const { jobs } = await submit("sleep", { seconds: 600 });
      expect(await galaxy.api(`/api/jobs/${jobs[0].id}`, { method: "DELETE" })).to.equal(true);
      expect((await galaxy.api(`/api/jobs/${jobs[0].id}`)).state).to.equal("deleted");
      expect(await galaxy.api(`/api/jobs/${jobs[0].id}`, { method: "DELETE" })).to.equal(false);
      await galaxy.startHandler("handler0");
    });

    it("wrote a history row for each state of every job", async () => {
      const odd = await galaxy.database.sql`
        select job.id, job.state from job
        where job.state <> (select h.state from job_state_history h where h.job_id = job.id order by h.id desc limit 1)`;
      expect([...odd]).to.deep.equal([]);
    });
  });
}

async function processesUnder(folder: string): Promise<string[]> {
  const { readFile } = await import("node:fs/promises");
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const environment = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
    if (environment.includes(`GALAXY_JOB_RUN_DIRECTORY=${folder}`)) found.push(pid);
  }
  return found;
}

async function runDirectories(folder: string): Promise<string[]> {
  const entries = await readdir(join(folder, "database", "jobs_directory"), { recursive: true }).catch(
    () => [] as string[],
  );
  return entries.filter((entry) => /(^|\/)\d+\.\d+$/.test(entry));
}
