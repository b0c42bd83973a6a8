import { spawn } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { LocalRunner, type PreparedRun, type RunEnd } from "@galaxy-jobs/handler";
import { until } from "../support/until.ts";
import { makeRoot, makeRun, written } from "./run-directory.ts";

/** The supervisor of release 0.1, as it was. */
const supervisor = `cd "$1" || exit 74
exec 9>supervisor.lock || exit 74
flock -n 9 || exit 75
[ ! -e started ] || exit 75
read -r boot < /proc/sys/kernel/random/boot_id
read -r stat < /proc/$$/stat
set -f
start=$(set -- \${stat##*) }; echo "\${20}")
echo "$$ $start $boot" > started.new && mv started.new started || exit 74
setsid -w "$3" "galaxy_$2.sh" 9>&- > "galaxy_$2.o" 2> "galaxy_$2.e" < /dev/null
echo $? > ended.new && mv ended.new ended
`;

describe("LocalRunner after an upgrade from release 0.1", () => {
  let root: string;
  let runner: LocalRunner;

  beforeEach(async () => {
    root = await makeRoot();
    runner = new LocalRunner(
      "local",
      { load: "local", workers: 4, params: {} },
      {
        folder: join(root, "local-runner"),
        onTrouble: (error) => {
          throw error;
        },
      },
    );
  });
  afterEach(async () => {
    await runner.close();
    await rm(root, { recursive: true, force: true, maxRetries: 5 });
  });

  async function startAsBefore(tool: string): Promise<PreparedRun> {
    const run = await makeRun(root, tool);
    spawn("/bin/sh", ["-c", supervisor, "galaxy-supervisor", run.directory, String(run.jobId), "/bin/bash"], {
      cwd: run.directory,
      env: { PATH: process.env["PATH"], GALAXY_JOB_RUN_DIRECTORY: run.directory },
      detached: true,
      stdio: "ignore",
    }).unref();
    return run;
  }

  const waiting = "echo $$ > here; while [ ! -e go ]; do sleep 0.05; done; exit 7";

  it("finds its runs under way, and their exact end", async () => {
    const run = await startAsBefore(waiting);
    await written(run, "here");
    const recovered = await runner.recover(run);
    expect(recovered.found).to.equal("running");
    await writeFile(join(run.directory, "working", "go"), "");
    const end = await (recovered as { ended: Promise<RunEnd> }).ended;
    expect(end).to.include({ exitCode: 7, failure: null });
  });

  it("finds its runs that ended", async () => {
    const run = await startAsBefore("exit 5");
    await until(() => existsSync(join(run.directory, "ended")), { what: "the end", deadline: 30_000 });
    const recovered = await runner.recover(run);
    expect((recovered as { end: RunEnd }).end).to.include({ exitCode: 5, failure: null });
  });

  it("finds its runs that were killed", async () => {
    const run = await startAsBefore(waiting);
    await written(run, "here");
    await runner.stop(run);
    expect((await runner.recover(run)).found).to.equal("lost");
    expect(await readFile(join(run.directory, "started"), "utf8")).to.match(/^\d+ \d+ /);
  });

  it("stops its runs", async () => {
    const run = await startAsBefore(`trap '' TERM; ${waiting}`);
    const tool = await written(run, "here");
    await runner.stop(run);
    expect(existsSync(`/proc/${tool}/cwd`)).to.equal(false);
  });
});
