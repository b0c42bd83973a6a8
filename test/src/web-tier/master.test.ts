import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { programs, startDaemon, watch, type Daemon } from "../support/galaxy.ts";
import { until } from "../support/until.ts";
import {
  freshStatus,
  gone,
  isLiving,
  patience,
  pidsOf,
  startTree,
  type TreePlan,
  type WebTree,
} from "../support/web-tree.ts";

describe("the master of a web tier", function () {
  this.timeout(4 * patience);
  let tree: WebTree | undefined;
  afterEach(async () => {
    await tree?.stop();
    tree = undefined;
  });
  const started = async (plan: TreePlan): Promise<WebTree> => (tree = await startTree(plan));

  it("loads nothing that it starts", () => {
    const loaded = new Set<string>();
    const packages = new Set<string>();
    const visit = (file: string): void => {
      if (loaded.has(file)) return;
      loaded.add(file);
      for (const [, from] of readFileSync(file, "utf8").matchAll(
        /^(?:import|export)\b[^;]*?from "([^"]+)"/gm,
      )) {
        if (from!.startsWith(".")) visit(join(dirname(file), from!));
        else packages.add(from!);
      }
    };
    const dist = dirname(fileURLToPath(import.meta.resolve("@galaxy-jobs/web")));
    visit(join(dist, "main.js"));
    visit(join(dist, "master", "run-master.js"));
    expect([...packages].filter((name) => !name.startsWith("node:"))).to.deep.equal(["@galaxy-jobs/runtime"]);
    expect([...loaded].some((file) => file.endsWith("create-app.js"))).to.equal(false);
  });

  it("replaces workers that die with connections on their way to them, and answers those connections", async () => {
    const { address, whole } = await started({ web: { processes: 2 } });
    for (let round = 0; round < 12; round += 1) {
      const { workers } = await whole();
      process.kill(workers[round % 2]!.pid!, "SIGKILL");
      const requests = [1, 2, 3].map(() => freshStatus(`${address}/api/version`));
      expect(await Promise.all(requests), `round ${round}`).to.deep.equal([200, 200, 200]);
    }
  });

  it("is smaller than its workers", async () => {
    const { masterRss, workers } = await (await started({ web: { processes: 2 } })).whole();
    await until(async () => (await tree!.state())!.workers.every(({ rss }) => rss > 0), {
      what: "their status",
    });
    const found = (await tree!.state())!.workers;
    expect(workers).to.have.length(2);
    for (const { rss } of found) expect(masterRss).to.be.lessThan(rss);
  });

  it("answers Ctrl-C as the hooks of the configuration say: TERM gracefully, INT at once", async () => {
    const site = await started({
      web: {
        processes: 2,
        "die-on-term": true,
        "hook-master-start": ["unix_signal:2 kill_them_all", "unix_signal:15 gracefully_kill_them_all"],
      },
    });
    const children = pidsOf(await site.whole());
    expect(await site.master.stop("SIGINT")).to.equal(130);
    await gone(children);
    await site.start();
    expect(await site.master.stop("SIGTERM")).to.equal(0);
  });

  it("waits for requests under way, and a second signal ends the patience", async () => {
    const site = await started({ web: { master: true } });
    const children = pidsOf(await site.whole());
    // A request that has not come to its end.
    const socket = await openRequest(site.address);
    site.master.child.kill("SIGTERM");
    await site.master.line(/daemon\.stopping server=main /, patience);
    await site.master.line(/daemon\.stopping server=main\.web\.1/, patience);
    expect(children.every(isLiving)).to.equal(true);
    site.master.child.kill("SIGTERM");
    expect(await site.master.stop()).to.equal(143);
    await gone(children);
    socket.destroy();
  });

  it("stops in the middle of its start", async () => {
    const site = await started({ web: { processes: 2 } });
    await site.master.stop();
    const early = startDaemon("early", programs.web, ["-c", site.configFile]);
    await early.line(/child\.started/, patience);
    expect(await early.stop()).to.equal(0);
    const pids = early.lines
      .flatMap((line) => /child\.started.* pid=(\d+)/.exec(line)?.[1] ?? [])
      .map(Number);
    expect(pids).to.not.deep.equal([]);
    expect(pids.filter(isLiving)).to.deep.equal([]);
  });

  it("ends by itself when it cannot, and kills a child whose mercy is over", async () => {
    const site = await started({ web: { master: true, "worker-reload-mercy": 2 } });
    const [worker] = await site.children();
    process.kill(worker!, "SIGSTOP");
    expect(await site.master.stop()).to.equal(0);
    expect(isLiving(worker)).to.equal(false);
  });

  it("replaces a worker that hangs (harakiri), and one that is worn (max-requests), without a failed request", async () => {
    const site = await started({ web: { processes: 2, harakiri: 3, "max-requests": 20 } });
    const before = await site.whole();
    process.kill(before.workers[0]!.pid!, "SIGSTOP");
    const hung = await until(
      async () => {
        const [first] = (await site.state())!.workers;
        return first!.harakiris === 1 && first!.pid !== before.workers[0]!.pid ? first : undefined;
      },
      { what: "a new worker in place of the stopped one", deadline: patience, every: 100 },
    );
    expect(hung.serverName).to.equal("main.web.1");
    await site.whole();
    const second = before.workers[1]!.pid;
    await until(
      async () => {
        expect(await freshStatus(`${site.address}/api/version`)).to.equal(200);
        return (await site.state())!.workers[1]!.pid !== second;
      },
      { what: "the worn worker to be replaced", deadline: patience, every: 20 },
    );
  });

  it("backs off when a worker dies again and again, and goes on serving", async () => {
    const site = await started({ web: { processes: 2 } });
    const { workers } = await site.whole();
    let victim = workers[0]!.pid!;
    for (let round = 0; round < 4; round += 1) {
      process.kill(victim, "SIGKILL");
      const killed = victim;
      victim = await until(
        async () => {
          const pid = (await site.state())!.workers[0]!.pid;
          return pid !== undefined && pid !== killed ? pid : undefined;
        },
        { what: "the next one", deadline: patience, every: 20 },
      );
      expect(await freshStatus(`${site.address}/api/version`)).to.equal(200);
    }
    const times = site.master.lines
      .filter((line) => /child\.(died|started).*main\.web\.1 /.test(line))
      .map((line) => ({ died: line.includes("child.died"), at: Date.parse(line.split(" ")[0]!) }));
    const pauses = times.flatMap(({ died, at }, index) =>
      died && times[index + 1] !== undefined ? [times[index + 1]!.at - at] : [],
    );
    expect(pauses[3]! - pauses[0]!).to.be.greaterThan(500);
  });

  it("gives a message whose mule dies before it took the job to another", async () => {
    const site = await started({ web: { mule: ["m", "m"], farm: "job-handlers:1,2" } });
    const { mules } = await site.whole();
    process.kill(mules[0]!.pid!, "SIGSTOP");
    const ids: number[] = [];
    // The first idle mule gets a message: of two, one is for the one that cannot take it.
    for (let count = 0; count < 2; count += 1) ids.push(await site.submit("short"));
    await until(async () => (await site.state())!.farms[0]!.waiting === 1, {
      what: "a message to wait",
      deadline: patience,
    });
    process.kill(mules[0]!.pid!, "SIGKILL");
    for (const id of ids) expect((await site.job(id, "ok", "error")).state).to.equal("ok");
    await site.whole();
  });

  it("takes more and fewer workers by signals", async () => {
    const site = await started({ web: { processes: 1, master: true } });
    site.master.child.kill("SIGTTIN");
    await until(async () => (await site.state())!.workers.length === 2, {
      what: "two workers",
      deadline: patience,
    });
    await site.whole();
    site.master.child.kill("SIGTTOU");
    await until(async () => (await site.state())!.workers.length === 1, {
      what: "one worker",
      deadline: patience,
    });
    expect(await freshStatus(`${site.address}/api/version`)).to.equal(200);
  });

  it("is reloaded and shown by galaxyctl", async () => {
    const site = await started({ web: { processes: 1, mule: "m", farm: "job-handlers:1" } });
    const ctl = async (...args: string[]) =>
      (
        await promisify(execFile)(process.execPath, [programs.ctl, "-c", site.configFile, "web", ...args], {
          timeout: patience,
        })
      ).stdout;
    const before = await site.children();
    expect(await ctl("reload")).to.equal("reloaded\n");
    const after = await site.children();
    expect(after.filter((pid) => before.includes(pid))).to.deep.equal([]);
    expect(await ctl("status")).to.match(/worker\s.*main\.web\.1[^]*mule\s.*main\.job-handlers\.1/);
    expect(JSON.parse(await ctl("status", "--json"))).to.include({ phase: "running", reloads: 1 });
    await site.master.stop();
    const failed = await ctl("reload").catch((error: { stderr: string }) => error.stderr);
    expect(failed).to.match(/^galaxyctl: no web tier of .* with a master runs here/);
  });

  it("serves on a socket that systemd passed", async () => {
    const site = await started({ web: { master: true } });
    await site.master.stop();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const web = activated(site.configFile, server);
    // It has the socket now; here, connections would be accepted by nobody.
    server.close();
    try {
      await web.line(/daemon\.ready server=main( |$)/, patience);
      expect(web.lines.filter((line) => line.includes("web.listening"))).to.have.length(1);
      expect(await freshStatus(`http://127.0.0.1:${port}/api/version`)).to.equal(200);
    } finally {
      await web.stop();
    }
  });

  /** Starts the web tier as systemd does: the socket is descriptor 3, and LISTEN_PID is the process itself. */
  function activated(configFile: string, server: ReturnType<typeof createServer>): Daemon {
    const handle = (server as unknown as { _handle: { fd: number } })._handle;
    // The default address would be bound too if the file named one that was not passed.
    const config = JSON.parse(readFileSync(configFile, "utf8"));
    delete config.web.http;
    const own = `${configFile}.activated.yml`;
    writeFileSync(own, JSON.stringify(config));
    const child = spawn(
      "/bin/sh",
      [
        "-c",
        'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web exec "$@"',
        "sh",
        process.execPath,
        programs.web,
        "-c",
        own,
      ],
      { stdio: ["ignore", "pipe", "pipe", handle.fd] },
    );
    return watch("web", child);
  }
});

/** A request whose body never comes. */
async function openRequest(address: string): Promise<Socket> {
  const { hostname, port } = new URL(address);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  await once(socket, "connect");
  socket.write(
    "POST /api/tools HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{",
  );
  return socket;
}
