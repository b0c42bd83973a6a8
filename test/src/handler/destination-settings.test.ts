import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { jobDirectory } from "@galaxy-jobs/handler";
import type { JobRow } from "@galaxy-jobs/shared-db";
import { makeSite, type Site } from "../support/site.ts";

const named = (variables: Record<string, string>) =>
  Object.entries(variables).map(([name, value]) => ({ name, value }));

/** GALAXY_SLOTS by what a destination's environment and parameters say; "-" where GALAXY_SLOTS_CONFIGURED is unset. */
const slots: Record<
  string,
  { env?: Record<string, string>; params?: Record<string, unknown>; gives: string }
> = {
  nothing: { gives: "1 -" },
  local: { params: { local_slots: 3 }, gives: "3 1" },
  own: { env: { GALAXY_SLOTS: "7" }, gives: "7 1" },
  slurm: { env: { SLURM_CPUS_ON_NODE: "8", SLURM_NTASKS: "3", NSLOTS: "2" }, gives: "8 1" },
  tasks: { env: { SLURM_NTASKS: "3", SLURM_CPUS_PER_TASK: "2", NSLOTS: "5" }, gives: "6 1" },
  cpus: { env: { SLURM_CPUS_PER_TASK: "4", NCPUS: "5" }, gives: "4 1" },
  engine: { env: { NSLOTS: "2", NCPUS: "5" }, gives: "2 1" },
  ncpus: { env: { NCPUS: "5", PBS_NCPUS: "6" }, gives: "5 1" },
  pbs: { env: { PBS_NCPUS: "6", LSB_DJOB_NUMPROC: "9" }, gives: "6 1" },
  nodefile: { env: { PBS_NODEFILE: "NODES", LSB_DJOB_NUMPROC: "9" }, gives: "3 1" },
  lsf: { env: { LSB_DJOB_NUMPROC: "9", GALAXY_SLOTS: "7" }, params: { local_slots: 2 }, gives: "9 1" },
};

/** GALAXY_MEMORY_MB and GALAXY_MEMORY_MB_PER_SLOT. */
const memory: Record<string, { env: Record<string, string>; gives: string }> = {
  total: { env: { GALAXY_MEMORY_MB: "4096", GALAXY_SLOTS: "4" }, gives: "4096 1024" },
  per_slot: { env: { GALAXY_MEMORY_MB_PER_SLOT: "512", GALAXY_SLOTS: "4" }, gives: "2048 512" },
  grid_engine: { env: { SGE_HGR_h_vmem: "1.5G", NSLOTS: "2" }, gives: "3072 1536" },
  unknown: { env: { GALAXY_MEMORY_MB: "lots" }, gives: "- -" },
};

/** Not ${…}, which in a tool's command is an expression. */
const shown = (name: string) => `printenv ${name} || echo -`;

describe("What a destination says", function () {
  this.timeout(90_000);
  let site: Site;
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "galaxy-test-destination-"));
    await writeFile(join(folder, "nodes"), "a\nb\nc\n");
    await writeFile(join(folder, "setup.sh"), 'SOURCED="$FIRST again"; export SOURCED\n');
    const envOf = (variables: Record<string, string> = {}) =>
      named(
        Object.fromEntries(
          Object.entries(variables).map(([name, value]) => [
            name,
            value === "NODES" ? join(folder, "nodes") : value,
          ]),
        ),
      );
    const environments: Record<string, object> = {
      ...Object.fromEntries(
        Object.entries(slots).map(([id, { env, params }]) => [
          `slots_${id}`,
          { runner: "local", env: envOf(env), params: params ?? {} },
        ]),
      ),
      ...Object.fromEntries(
        Object.entries(memory).map(([id, { env }]) => [`memory_${id}`, { runner: "local", env: envOf(env) }]),
      ),
      every_kind: {
        runner: "local",
        env: [
          { name: "FIRST", value: 'it\'s $HOME `date` "x"' },
          { name: "RAW", value: '"$FIRST, raw"', raw: true },
          { file: join(folder, "setup.sh") },
          { execute: 'EXECUTED="$SOURCED, executed"; export EXECUTED' },
          { name: "FIRST", value: "changed" },
        ],
      },
      tmp_true: { runner: "local", params: { tmp_dir: true, cleanup_job: "never" } },
      tmp_path: { runner: "local", params: { tmp_dir: `$(mktemp -d "${folder}/made $((1 + 1)) XXXXXX")` } },
      tmp_none: { runner: "local", params: { tmp_dir: `$(mktemp -d ${folder}/nowhere/XXXXXX 2>/dev/null)` } },
      kept: { runner: "local", params: { cleanup_job: "never" } },
      removed: { runner: "local", params: { cleanup_job: "always" } },
      plain_shell: { runner: "local", shell: "/bin/sh" },
      boxed: { runner: "local", params: { require_container: true } },
    };
    const commands: Record<string, string> = {
      slots: `${shown("GALAXY_SLOTS")}; ${shown("GALAXY_SLOTS_CONFIGURED")}`,
      memory: `${shown("GALAXY_MEMORY_MB")}; ${shown("GALAXY_MEMORY_MB_PER_SLOT")}`,
      every: `echo "$FIRST|$RAW|$SOURCED|$EXECUTED"`,
      tmp: `touch "$TMPDIR/here"; echo "$TMPDIR|$TMP|$TEMP"`,
      plain: `[ -n "$BASH_VERSION" ] && echo bash || echo none`,
      kept: "true",
      removed: "true",
      boxed: "true",
    };
    const command = (id: string) => commands[id.split("_")[0]!]!;
    site = await makeSite({
      handlers: [{ name: "handler0", pools: ["job-handlers"] }],
      tools: Object.keys(environments).map((id) => ({ id, command: command(id) })),
      galaxy: { cleanup_job: "onsuccess" },
      jobConf: {
        runners: { local: { load: "local" } },
        handling: { assign: ["db-skip-locked"] },
        execution: { default: "kept", environments },
        tools: Object.keys(environments).map((id) => ({ id, environment: id })),
      },
    });
    await site.start("handler0");
  });
  after(async () => {
    await site.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const run = async (tool: string): Promise<JobRow> => (await site.ended([await site.submit(tool)]))[0]!;
  const printed = async (tool: string) => {
    const { toolStdout, jobStderr } = await run(tool);
    return toolStdout?.trim().replaceAll("\n", " ") || jobStderr?.trim();
  };
  const directoryOf = (job: JobRow) => jobDirectory(site.config.jobWorkingDirectory, job.id, job.runFence!);

  it("gives GALAXY_SLOTS, in Galaxy's order", async () => {
    const found = await Promise.all(
      Object.keys(slots).map(async (id) => [id, await printed(`slots_${id}`)] as const),
    );
    expect(Object.fromEntries(found)).to.deep.equal(
      Object.fromEntries(Object.entries(slots).map(([id, { gives }]) => [id, gives])),
    );
  });

  it("gives GALAXY_MEMORY_MB", async () => {
    const found = await Promise.all(
      Object.keys(memory).map(async (id) => [id, await printed(`memory_${id}`)] as const),
    );
    expect(Object.fromEntries(found)).to.deep.equal(
      Object.fromEntries(Object.entries(memory).map(([id, { gives }]) => [id, gives])),
    );
  });

  it("gives variables, raw ones, files and commands to the job in their order", async () => {
    const first = 'it\'s $HOME `date` "x"';
    expect(await printed("every_kind")).to.equal(
      `changed|${first}, raw|${first} again|${first} again, executed`,
    );
  });

  it("gives the directory for temporary files: one of the job's, or what the shell makes of an expression", async () => {
    const own = await run("tmp_true");
    const tmp = join(directoryOf(own), "tmp");
    expect(own.toolStdout?.trim()).to.equal([tmp, tmp, tmp].join("|"));
    // A cluster may start a job's script again.
    execFileSync("/bin/sh", [join(directoryOf(own), `galaxy_${own.id}.sh`)], { stdio: "ignore" });
    const kept = readdirSync(directoryOf(own)).filter((name) => /^tmp\.\d{8}-\d{6}$/.test(name));
    expect(kept).to.have.length(1);
    expect(existsSync(join(directoryOf(own), kept[0]!, "here"))).to.equal(true);
    const [path] = (await printed("tmp_path"))!.split("|");
    expect(path).to.match(/\/made 2 [A-Za-z0-9]{6}$/);
    expect(existsSync(join(path!, "here"))).to.equal(true);
  });

  it("ends a job that gets no directory for temporary files before its tool starts", async () => {
    const job = await run("tmp_none");
    expect([job.state, job.exitCode, job.toolStdout]).to.deep.equal(["error", 1, ""]);
    expect(job.jobStderr).to.contain("no directory for temporary files");
  });

  it("overrules cleanup_job of galaxy.yml", async () => {
    const [kept, removed, usual] = [await run("kept"), await run("removed"), await run("slots_nothing")];
    await site.end("handler0", "SIGTERM");
    expect([kept, removed, usual].map((job) => existsSync(directoryOf(job)))).to.deep.equal([
      true,
      false,
      false,
    ]);
    await site.start("handler0");
  });

  it("names the shell of its jobs", async function () {
    if (!existsSync("/bin/dash")) this.skip();
    expect(await printed("plain_shell")).to.equal("none");
  });

  it("fails a job that requires a container, since there are none", async () => {
    const job = await run("boxed");
    expect([job.state, job.info]).to.deep.equal([
      "error",
      "Failed to find a container when required (destination boxed), contact Galaxy admin: jobs run without containers here.",
    ]);
  });
});
