import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, readlinkSync } from "node:fs";
import { readdir, rmdir } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { repository } from "./galaxy.ts";
import { until } from "./until.ts";

const execute = promisify(execFile);
const scripts = join(repository, "test", "machines");

/** What this machine lacks to be host of another one; empty: nothing. */
export async function missingForMachine(programs: readonly string[]): Promise<string[]> {
  if (process.getuid?.() !== 0) return ["root"];
  const found = await Promise.all(
    ["unshare", "nsenter", "ip", ...programs].map(async (program) =>
      execute("sh", ["-c", 'command -v "$1"', "sh", program]).then(
        () => [],
        () => [program],
      ),
    ),
  );
  return found.flat();
}

/** A service manager that runs as PID 1 of namespaces of its own: processes, mounts, network, cgroups. */
export interface Machine {
  /** In the namespaces of this test run. */
  readonly pid: number;
  /** Runs a command in it. @returns what it wrote @throws Error with what it wrote when it fails */
  run(command: readonly string[], deadline?: number): Promise<string>;
  /** A request to a port of it. */
  fetch(port: number, path: string, options?: { method?: string; body?: unknown }): Promise<Answer>;
  /** Sends its PID 1 a signal (a number for real-time ones), and waits for its end. */
  end(signal: NodeJS.Signals | number, deadline?: number): Promise<void>;
  /** What it wrote to its console. */
  console(): string;
}

export interface Answer {
  readonly status: number;
  readonly body: any;
}

/**
 * @param work an empty folder of its own, for its console and the socket by which its ports are reached
 * @param boot a script of test/machines that becomes its PID 1, and its arguments
 */
export async function bootMachine(work: string, boot: string, args: readonly string[]): Promise<Machine> {
  const before = readFileSync("/proc/1/cgroup", "utf8");
  const group = `galaxy-test-${process.pid}-${Date.now()}`;
  const log = openSync(join(work, "console"), "a");
  const namespaces = [
    "unshare",
    "--pid",
    "--fork",
    "--uts",
    "--ipc",
    "--net",
    "--mount",
    "--propagation",
    "private",
  ];
  const host = spawn(
    join(scripts, "in-own-cgroups.sh"),
    [group, ...namespaces, join(scripts, boot), ...args],
    { stdio: ["ignore", log, log] },
  );
  closeSync(log);
  const ended = once(host, "exit");
  const console = (): string => readFileSync(join(work, "console"), "utf8");
  let hasEnded = false;
  void ended.then(() => (hasEnded = true));
  const pid = await until(
    () => {
      if (hasEnded) throw new Error(`the machine did not start:\n${console()}`);
      return firstOfNamespace(host.pid!);
    },
    { what: "the machine's PID 1", deadline: 60_000 },
  );
  const relays = new Map<number, { path: string; child: ChildProcess }>();

  const relayTo = async (port: number): Promise<string> => {
    const known = relays.get(port);
    if (known !== undefined) return known.path;
    const path = join(work, `port-${port}`);
    const child = spawn(
      "nsenter",
      ["-t", String(pid), "--net", process.execPath, "-e", relayProgram, path, String(port)],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    relays.set(port, { path, child });
    await once(child.stdout, "data");
    return path;
  };

  return {
    pid,
    console,
    async run(command, deadline = 60_000) {
      const enter = ["-t", String(pid), "-m", "-p", "-u", "-i", "-n", "-C", "--root", "--wd", ...command];
      try {
        const options = { timeout: deadline, killSignal: "SIGKILL", maxBuffer: 2 ** 26 } as const;
        return (await execute("nsenter", enter, options)).stdout;
      } catch (error) {
        const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
        throw new Error(`${command.join(" ")}:\n${stdout}${stderr}${String(error)}`, { cause: error });
      }
    },
    fetch: async (port, path, options) => ask(await relayTo(port), path, options),
    async end(signal, deadline = 60_000) {
      if (!hasEnded) process.kill(pid, signal);
      for (const { child } of relays.values()) child.kill();
      await until(() => hasEnded, { what: `the machine to end:\n${console()}`, deadline });
      await removeGroups(group);
      if (readFileSync("/proc/1/cgroup", "utf8") !== before)
        throw new Error("the machine has moved PID 1 of its host to another cgroup");
    },
  };
}

/** Carries connections from a unix socket to a port of the network namespace that it runs in. */
const relayProgram = `
  const [path, port] = process.argv.slice(1);
  const net = require("node:net");
  net.createServer({ allowHalfOpen: true }, (near) => {
    const far = net.connect({ port: Number(port), host: "127.0.0.1", allowHalfOpen: true });
    for (const [one, other] of [[near, far], [far, near]]) {
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  }).listen(path, () => process.stdout.write("listening\\n"));
`;

function ask(
  socketPath: string,
  path: string,
  { method, body }: { method?: string; body?: unknown } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        socketPath,
        path,
        method: method ?? (body === undefined ? "GET" : "POST"),
        headers: {
          host: "127.0.0.1:8080",
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        agent: false,
        timeout: 60_000,
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("error", reject);
        response.on("end", () => {
          const text = Buffer.concat(parts).toString();
          const isJson = response.headers["content-type"]?.includes("json") === true;
          resolve({ status: response.statusCode!, body: isJson ? JSON.parse(text) : text });
        });
      },
    );
    asked.on("timeout", () => asked.destroy(new Error(`${path}: no answer`)));
    asked.on("error", reject);
    asked.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** The child that is PID 1 of another namespace; the programs that the script runs before are not. */
function firstOfNamespace(host: number): number | undefined {
  try {
    const children = readFileSync(`/proc/${host}/task/${host}/children`, "utf8").trim().split(" ");
    const own = readlinkSync("/proc/self/ns/pid");
    return children
      .filter(Boolean)
      .map(Number)
      .find((pid) => readlinkSync(`/proc/${pid}/ns/pid`) !== own);
  } catch {
    return undefined;
  }
}

/** Removes the machine's groups from every hierarchy; the last processes in them may take a moment. */
async function removeGroups(name: string): Promise<void> {
  const { stdout } = await execute("find", [
    "/sys/fs/cgroup",
    "-maxdepth",
    "6",
    "-type",
    "d",
    "-name",
    name,
  ]).catch((error: { stdout: string }) => error);
  for (const folder of stdout.split("\n").filter(Boolean))
    await until(
      () =>
        removeTree(folder).then(
          () => true,
          () => false,
        ),
      {
        what: `the processes of ${folder} to end`,
        deadline: 60_000,
      },
    );
}

async function removeTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(folder, entry.name));
  await rmdir(folder);
}
