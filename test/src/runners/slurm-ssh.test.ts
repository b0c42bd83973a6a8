import { execFile, spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { SlurmRunner, SshShell } from "@galaxy-jobs/handler";
import type { RemoteShell } from "@galaxy-jobs/runtime";
import { until } from "../support/until.ts";
import { makeRoot, makeRun, written } from "./run-directory.ts";
import { missingForSlurm, startSlurm, type SlurmTestCluster } from "./slurm-cluster.ts";

const execute = promisify(execFile);
const sshd = "/usr/sbin/sshd";

/** An sshd on a port of its own that takes one key, and an ssh that knows its host key. */
async function startSshd(
  folder: string,
  setEnv: string,
): Promise<{ remote: RemoteShell; path: string; stop(): Promise<void> }> {
  const key = (name: string) =>
    execute("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, name)]);
  await Promise.all([key("host_key"), key("user_key"), key("other_key")]);
  await writeFile(join(folder, "authorized_keys"), await readFile(join(folder, "user_key.pub")));
  await chmod(join(folder, "authorized_keys"), 0o600);
  await mkdir("/run/sshd", { recursive: true });
  const port = await new Promise<number>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port: free } = server.address() as { port: number };
      server.close(() => resolve(free));
    });
  });
  const config = [
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${folder}/host_key`,
    `AuthorizedKeysFile ${folder}/authorized_keys`,
    `PidFile ${folder}/sshd.pid`,
    "PasswordAuthentication no",
    "PermitRootLogin yes",
    "StrictModes no",
    "UsePAM no",
    `SetEnv ${setEnv}`,
  ];
  await writeFile(join(folder, "sshd_config"), `${config.join("\n")}\n`);
  const daemon: ChildProcess = spawn(sshd, ["-D", "-e", "-f", join(folder, "sshd_config")], {
    stdio: "ignore",
  });
  // The system's ssh reads its known hosts from the home that /etc/passwd names, so the test gives it an ssh with a file of its own.
  const hostKey = (await readFile(join(folder, "host_key.pub"), "utf8")).split(" ").slice(0, 2).join(" ");
  await writeFile(join(folder, "known_hosts"), `[127.0.0.1]:${port} ${hostKey}\n`);
  await mkdir(join(folder, "bin"));
  const wrapper = `#!/bin/sh\necho call >> '${folder}/calls'\nexec /usr/bin/ssh -F none -o UserKnownHostsFile='${folder}/known_hosts' "$@"\n`;
  await writeFile(join(folder, "bin", "ssh"), wrapper, { mode: 0o755 });
  const remote = {
    hostname: "127.0.0.1",
    username: userInfo().username,
    privateKey: join(folder, "user_key"),
    port,
  };
  await until(
    () =>
      execute(join(folder, "bin", "ssh"), [
        "-oBatchMode=yes",
        "-i",
        remote.privateKey,
        "-p",
        String(port),
        "127.0.0.1",
        "true",
      ]).then(
        () => true,
        () => false,
      ),
    { what: "sshd to answer", deadline: 30_000, every: 200 },
  );
  return {
    remote,
    path: `${folder}/bin:/usr/bin:/bin`,
    stop: async () => {
      const ended = new Promise((resolve) => daemon.once("exit", resolve));
      daemon.kill("SIGTERM");
      await ended;
    },
  };
}

describe("Slurm on another machine, by ssh (sshd, slurmctld, slurmd, munged)", function () {
  this.timeout(120_000);
  let cluster: SlurmTestCluster;
  let root: string;
  let server: Awaited<ReturnType<typeof startSshd>>;

  before(async function () {
    const missing = missingForSlurm() ?? (existsSync(sshd) ? undefined : `${sshd} missing`);
    if (missing !== undefined) {
      console.log(`      needs sshd and Slurm of its own: ${missing}`);
      this.skip();
    }
    cluster = await startSlurm();
    root = await makeRoot();
    const folder = join(root, "ssh");
    await mkdir(folder, { mode: 0o700 });
    server = await startSshd(folder, `SLURM_CONF=${cluster.conf}`);
  });
  after(async () => {
    await server?.stop();
    await cluster?.stop();
    if (root !== undefined) await rm(root, { recursive: true, force: true, maxRetries: 5 });
  });

  it("passes arguments as they are, whatever they hold, over one connection", async () => {
    const shell = new SshShell(server.remote, { PATH: server.path });
    const words = ["a b", "$(id)", "it's", '"', "*", "", "new\nline", ";", "-x"];
    const outputs = [];
    for (let i = 0; i < 3; i += 1)
      outputs.push(await shell.run(["printf", "%s|", ...words], { timeout: 20_000 }));
    for (const output of outputs) expect(output).to.include({ code: 0, stdout: `${words.join("|")}|` });
    expect(await shell.run(["sh", "-c", "echo no >&2; exit 3"], { timeout: 20_000 })).to.deep.include({
      code: 3,
      stderr: "no\n",
    });
    await shell.close();
    expect((await readdir(tmpdir())).filter((name) => name.startsWith("galaxy-ssh-"))).to.deep.equal([]);
  });

  it("says what is wrong with a key that is not taken", async () => {
    const other = { ...server.remote, privateKey: join(root, "ssh", "other_key") };
    const shell = new SshShell(other, { PATH: server.path });
    const error = await shell.run(["true"], { timeout: 20_000 }).then(
      () => undefined,
      (reason: Error) => reason,
    );
    expect(error?.message).to.match(/^ssh to 127\.0\.0\.1: .*Permission denied/s);
    await shell.close();
  });

  it("runs a job, says where it waits, and cancels one", async () => {
    const before = process.env["PATH"];
    process.env["PATH"] = server.path;
    const runner = new SlurmRunner(
      "cli",
      { load: "galaxy.jobs.runners.cli:ShellJobRunner", workers: 2, params: {} },
      {
        interval: 300,
        onTrouble: (error) => {
          throw error;
        },
      },
    );
    try {
      const { hostname, username, privateKey, port } = server.remote;
      const params = {
        shell_plugin: "SecureShell",
        job_plugin: "Slurm",
        shell_hostname: hostname,
        shell_username: username,
        shell_private_key: privateKey,
        shell_port: port,
        job_ncpus: 2,
      };
      const run = await makeRun(root, "echo $SLURM_CPUS_ON_NODE > cpus; exit 5", { params });
      const { ended } = await runner.start(run);
      expect((await ended).exitCode).to.equal(5);
      expect(await written(run, "cpus")).to.equal("2");
      const long = await makeRun(root, "echo here > here; sleep 300", { params });
      const started = await runner.start(long);
      await written(long, "here");
      await runner.stop(long);
      expect((await started.ended).failure).to.match(/cancelled/);
    } finally {
      await runner.close();
      process.env["PATH"] = before;
    }
  });
});
