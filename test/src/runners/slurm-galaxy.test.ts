import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import type { JobRow } from "@galaxy-jobs/shared-db";
import { programs, startGalaxy, type Galaxy } from "../support/galaxy.ts";
import { traversableFolder } from "../support/servers.ts";
import { until } from "../support/until.ts";
import { missingForSlurm, startSlurm, type SlurmTestCluster } from "./slurm-cluster.ts";

const execute = promisify(execFile);

const tool = (id: string, command: string) =>
  JSON.stringify({
    class: "GalaxyUserTool",
    id,
    name: id,
    version: "1.0",
    container: "none",
    shell_command: command,
    inputs: [],
    outputs: [{ name: "report", type: "data", format: "txt", from_work_dir: "report.txt" }],
  });

/** As a Galaxy site has it; the paths of the test filled in. */
const jobConf = (slurmConf: string) => `<?xml version="1.0"?>
<job_conf>
    <plugins workers="2">
        <plugin id="slurm" type="runner" load="galaxy.jobs.runners.slurm:SlurmJobRunner">
            <param id="slurm_conf">${slurmConf}</param>
        </plugin>
        <plugin id="drmaa" type="runner" load="galaxy.jobs.runners.drmaa:DRMAAJobRunner">
            <param id="slurm_conf">${slurmConf}</param>
        </plugin>
        <plugin id="cli" type="runner" load="galaxy.jobs.runners.cli:ShellJobRunner">
            <param id="slurm_conf">${slurmConf}</param>
        </plugin>
        <plugin id="local" type="runner" load="galaxy.jobs.runners.local:LocalJobRunner"/>
    </plugins>
    <handlers assign_with="db-skip-locked" />
    <destinations default="slurm">
        <destination id="slurm" runner="slurm">
            <param id="nativeSpecification">--ntasks=1 --cpus-per-task=3 --mem=90</param>
        </destination>
        <destination id="held" runner="slurm">
            <param id="nativeSpecification">--hold</param>
            <!-- It waits for longer than that, and runs an instant. -->
            <param id="walltime">00:00:05</param>
        </destination>
        <destination id="small" runner="slurm">
            <param id="memory">60</param>
            <resubmit condition="memory_limit_reached" destination="large"/>
        </destination>
        <destination id="large" runner="slurm">
            <param id="memory">900</param>
        </destination>
        <destination id="here" runner="local"/>
        <destination id="by_drmaa" runner="drmaa">
            <param id="nativeSpecification">-n 1 -c 2 --mem=80</param>
        </destination>
        <destination id="by_cli" runner="cli">
            <param id="shell_plugin">LocalShell</param>
            <param id="job_plugin">Slurm</param>
            <param id="job_ncpus">2</param>
            <param id="job_time">0:30:00</param>
            <param id="job_partition">main</param>
            <param id="job_memory">80</param>
        </destination>
        <destination id="brief" runner="slurm">
            <param id="time">1</param>
            <resubmit condition="walltime_reached" destination="long"/>
        </destination>
        <destination id="cheap" runner="slurm">
            <param id="nativeSpecification">-p scavenge -c4</param>
            <resubmit condition="memory_limit_reached" destination="nowhere"/>
            <resubmit condition="unknown_error" destination="long"/>
        </destination>
        <destination id="restarted" runner="slurm">
            <param id="nativeSpecification">--requeue</param>
        </destination>
        <destination id="long" runner="slurm">
            <param id="time">0:30:00</param>
        </destination>
        <destination id="nowhere" runner="slurm">
            <param id="nativeSpecification">--partition=nowhere</param>
        </destination>
    </destinations>
    <tools>
        <tool id="held" destination="held"/>
        <tool id="hungry" destination="small"/>
        <tool id="refused" destination="nowhere"/>
        <tool id="crashing" handler="doomed"/>
        <tool id="restarting" destination="restarted"/>
        <tool id="quick" destination="here"/>
        <tool id="report_drmaa" destination="by_drmaa"/>
        <tool id="report_cli" destination="by_cli"/>
        <tool id="slow" destination="brief"/>
        <tool id="displaced" destination="cheap"/>
    </tools>
</job_conf>
`;

/** A job of `urgent` takes the node from one of `scavenge`. */
const lines = [
  "PreemptType=preempt/partition_prio",
  "PreemptMode=REQUEUE",
  "PartitionName=scavenge Nodes=n1 PriorityTier=1 PreemptMode=CANCEL DefMemPerCPU=200",
  "PartitionName=urgent Nodes=n1 PriorityTier=10 PreemptMode=OFF DefMemPerCPU=200",
];

describe("a Galaxy whose jobs run on Slurm (slurmctld, slurmd, munged)", function () {
  this.timeout(240_000);
  let cluster: SlurmTestCluster;
  let galaxy: Galaxy;
  let folder: string;
  let slow: { job: string; output: string };

  before(async function () {
    const missing = missingForSlurm();
    if (missing !== undefined) {
      console.log(`      needs Slurm of its own: ${missing}`);
      this.skip();
    }
    cluster = await startSlurm({ lines });
    folder = await traversableFolder("galaxy-slurm-site-");
    await mkdir(join(folder, "tools"));
    const report = `{ echo "slots $GALAXY_SLOTS"; echo "memory $GALAXY_MEMORY_MB"; echo "secret $SECRET"; } > report.txt; echo out; echo err >&2`;
    for (const [id, command] of [
      ["report", report],
      ["report_drmaa", report],
      ["report_cli", report],
      ["held", "echo held > report.txt"],
      ["refused", "true"],
      ["crashing", `echo $SLURM_JOB_ID >> ${folder}/crashing; echo crashed > report.txt`],
      ["restarting", "if [ -z $SLURM_RESTART_COUNT ]; then sleep 300; fi; echo again > report.txt"],
      ["quick", "echo quick > report.txt"],
      ["counted", `echo $SLURM_JOB_ID >> ${folder}/count; echo counted > report.txt`],
      ["report_later", "sleep 300"],
      // Each is quick where it is tried again.
      [
        "slow",
        "if [ $SLURM_JOB_PARTITION = main ] && squeue -h -j $SLURM_JOB_ID -o %l | grep -q 30; then echo slow > report.txt; else sleep 300; fi",
      ],
      [
        "displaced",
        "if [ $SLURM_JOB_PARTITION = scavenge ]; then sleep 300; else echo displaced > report.txt; fi",
      ],
      ["hungry", "x=`head -c 150000000 /dev/zero | tr '\\0' x`; sleep 4; echo fed > report.txt"],
    ] as const)
      await writeFile(join(folder, "tools", `${id}.yml`), tool(id, command));
    const jobConfFile = join(folder, "job_conf.xml");
    await writeFile(jobConfFile, jobConf(cluster.conf));
    process.env["SECRET"] = "of the handler";
    galaxy = await startGalaxy({
      tools: join(folder, "tools"),
      galaxy: { job_config_file: jobConfFile, job_runner_monitor_sleep: 0.2 },
    });
  });
  after(async () => {
    delete process.env["SECRET"];
    await galaxy?.stop();
    await cluster?.stop();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  const submit = async (id: string): Promise<{ job: string; output: string }> => {
    const { jobs, outputs } = await galaxy.api("/api/tools", { body: { tool_id: id, inputs: {} } });
    return { job: jobs[0].id, output: outputs[0].id };
  };

  /** The latest job of a tool. */
  const rowOf = async (id: string): Promise<JobRow> =>
    (
      await galaxy.database.sql<JobRow[]>`select * from job where tool_id = ${id} order by id desc limit 1`
    )[0]!;

  it("goes to another destination when it was preempted", async () => {
    // Slurm's smallest time limit is a minute: the last test looks at that one.
    slow = await submit("slow");
    const { job, output } = await submit("displaced");
    await galaxy.job(job, ["running"], 60_000);
    await cluster.run("sbatch", "-p", "urgent", "-c4", "-o", "/dev/null", "--wrap", "sleep 1");
    expect(await galaxy.job(job, ["ok", "error"], 60_000)).to.include({ state: "ok" });
    expect(await galaxy.api(`/api/datasets/${output}/display`)).to.equal("displaced\n");
    const row = await rowOf("displaced");
    expect(row.destinationId).to.equal("long");
    const [attempt] = await galaxy.database.sql`select cause, info from job_attempt where job_id = ${row.id}`;
    expect(attempt).to.include({ cause: "unknown_error" });
    expect(attempt!["info"]).to.match(/preempted by one of a higher priority \(Slurm: PREEMPTED\)/);
  });

  it("runs a job with what Slurm gave it, and nothing of the handler's environment", async () => {
    const { job, output } = await submit("report");
    const ended = await galaxy.job(job, ["ok", "error"], 60_000);
    expect(ended).to.include({ state: "ok", exit_code: 0 });
    expect(ended.tool_stdout).to.equal("out\n");
    expect(ended.tool_stderr).to.equal("err\n");
    const text = await galaxy.api(`/api/datasets/${output}/display`);
    expect(text).to.equal("slots 3\nmemory 90\nsecret \n");
    const rows = await galaxy.database.sql`
      select h.state from job_state_history h join job on job.id = h.job_id where job.tool_id = 'report' order by h.id`;
    expect(rows.map(({ state }) => state)).to.deep.equal(["new", "queued", "running", "ok"]);
  });

  it("runs jobs of Galaxy's runners drmaa and cli", async () => {
    for (const id of ["report_drmaa", "report_cli"]) {
      const { job, output } = await submit(id);
      expect(await galaxy.job(job, ["ok", "error"], 60_000)).to.include({ state: "ok" });
      expect(await galaxy.api(`/api/datasets/${output}/display`)).to.equal("slots 2\nmemory 80\nsecret \n");
    }
  });

  it("says in Slurm's words why a job waits, and a job refused by Slurm ends with them", async () => {
    const held = await submit("held");
    const refused = await submit("refused");
    const ended = await galaxy.job(refused.job, ["ok", "error"], 60_000);
    const [row] = await galaxy.database.sql`select info from job where tool_id = 'refused'`;
    expect(ended.state).to.equal("error");
    expect(row!["info"]).to.match(/Slurm refused the job: .*Invalid partition name specified/);
    const why = await until(
      async () => {
        const { reason } = await galaxy.api(`/api/jobs/${held.job}/why`);
        return /Slurm: it is held by its user \(JobHeldUser\)/.test(reason) && reason;
      },
      { what: "the reason", deadline: 30_000 },
    );
    expect(why).to.match(/given the job to the runner slurm/);
    const { id } = await rowOf("held");
    const argv = [programs.ctl, "-c", galaxy.configFile, "jobs", "why", String(id)];
    const { stdout } = await execute(process.execPath, argv, { timeout: 60_000 });
    expect(stdout).to.match(/it is held by its user \(JobHeldUser\)/);
    expect((await rowOf("held")).jobRunnerExternalId).to.match(/^\d+$/);
    expect((await galaxy.job(held.job, ["queued"])).state).to.equal("queued");
  });

  it("goes to a destination with more memory when Slurm ended it over its memory", async () => {
    const { job, output } = await submit("hungry");
    const ended = await galaxy.job(job, ["ok", "error"], 90_000);
    expect(ended).to.include({ state: "ok", exit_code: 0 });
    expect(await galaxy.api(`/api/datasets/${output}/display`)).to.equal("fed\n");
    expect((await rowOf("hungry")).destinationId).to.equal("large");
  });

  it("is adopted by a handler of the pool on another machine when its own is killed", async () => {
    const held = await rowOf("held");
    await galaxy.startHandler("handler1");
    const dead = galaxy.handlers[0]!;
    await dead.stop("SIGKILL");
    // For the others, it was somewhere else.
    await galaxy.database.sql`
      update handler_incarnation set hostname = 'elsewhere', boot_id = 'another', heartbeat_time = now() - interval '1 day'
      where server_name = 'handler0'`;
    await until(async () => (await rowOf("held")).handler === "handler1", {
      what: "the job to be adopted",
      deadline: 60_000,
    });
    await cluster.run("scontrol", "release", held.jobRunnerExternalId!);
    await until(async () => (await rowOf("held")).state === "ok", {
      what: "the job that waited to end",
      deadline: 60_000,
    });
  });

  it("says of a running job that Slurm has put it back into its queue, until it runs again", async () => {
    const { job, output } = await submit("restarting");
    await galaxy.job(job, ["running"], 60_000);
    await cluster.run("scontrol", "requeue", (await rowOf("restarting")).jobRunnerExternalId!);
    const why = await until(
      async () => {
        const { code, reason } = await galaxy.api(`/api/jobs/${job}/why`);
        return /Slurm has put the job back into its queue; Slurm: /.test(reason) && { code, reason };
      },
      { what: "the reason", deadline: 30_000 },
    );
    expect(why).to.include({ code: "requeued" });
    expect(await galaxy.job(job, ["ok", "error"], 90_000)).to.include({ state: "ok", exit_code: 0 });
    expect(await galaxy.api(`/api/datasets/${output}/display`)).to.equal("again\n");
  });

  it("runs a job once whose handler died after its submission, before it was noted", async () => {
    const pool = ["job-handlers.doomed"];
    const doomed = await galaxy.startHandler("handler2", pool, {
      GALAXY_FAULT_POINT: "start:after@crashing",
    });
    const { job } = await submit("crashing");
    expect(await doomed.stop("SIGCONT")).to.equal("SIGKILL");
    await galaxy.database.sql`
      update handler_incarnation set heartbeat_time = now() - interval '1 day' where server_name = 'handler2'`;
    await galaxy.startHandler("handler3", pool);
    expect(await galaxy.job(job, ["ok", "error"], 90_000)).to.include({ state: "ok" });
    expect(await readFile(join(folder, "crashing"), "utf8")).to.match(/^\d+\n$/);
  });

  it("runs other jobs while Slurm's controller hangs, and those for Slurm once when it goes on", async () => {
    cluster.signal("slurmctld", "SIGSTOP");
    const jobs = await Promise.all(Array.from({ length: 30 }, () => submit("counted")));
    try {
      const { job } = await submit("quick");
      expect(await galaxy.job(job, ["ok", "error"], 60_000)).to.include({ state: "ok" });
      const states = await galaxy.database.sql`select distinct state from job where tool_id = 'counted'`;
      expect(states.map(({ state }) => state)).to.not.include.members(["ok"]);
    } finally {
      cluster.signal("slurmctld", "SIGCONT");
    }
    for (const { job } of jobs)
      expect(await galaxy.job(job, ["ok", "error"], 120_000)).to.include({ state: "ok" });
    const ran = (await readFile(join(folder, "count"), "utf8")).trim().split("\n");
    expect(ran).to.have.length(jobs.length);
  });

  it("deletes jobs at whatever step they are on their way to Slurm", async () => {
    const jobs = await Promise.all(Array.from({ length: 12 }, () => submit("held")));
    for (const { job } of jobs) await galaxy.api(`/api/jobs/${job}`, { method: "DELETE" });
    for (const { job } of jobs) await galaxy.job(job, ["deleted"], 60_000);
    // A job that runs is cancelled too.
    const { job } = await submit("report_later");
    await galaxy.job(job, ["running"], 60_000);
    await galaxy.api(`/api/jobs/${job}`, { method: "DELETE" });
    await galaxy.job(job, ["deleted"], 60_000);
    const left = await cluster.run("squeue", "--noheader", "--format=%j");
    expect(left.split("\n").filter((name) => /held|report_later/.test(name))).to.deep.equal([]);
  });

  it("goes to a destination with more time when Slurm ended it over its time", async () => {
    const ended = await galaxy.job(slow.job, ["ok", "error"], 180_000);
    expect(ended).to.include({ state: "ok", exit_code: 0 });
    expect(await galaxy.api(`/api/datasets/${slow.output}/display`)).to.equal("slow\n");
    const row = await rowOf("slow");
    expect(row.destinationId).to.equal("long");
    const [attempt] = await galaxy.database.sql`select cause, info from job_attempt where job_id = ${row.id}`;
    expect(attempt).to.deep.equal({
      cause: "walltime_reached",
      info: "This job was terminated because it ran longer than the maximum allowed job run time.",
    });
  });
});
