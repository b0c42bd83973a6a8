import { expect } from "chai";
import {
  gone,
  isLiving,
  patience,
  pidsOf,
  startTree,
  type TreePlan,
  type WebTree,
} from "../support/web-tree.ts";
import { until } from "../support/until.ts";

interface Strategy extends TreePlan {
  /** Which handlers may have the jobs of a tool. */
  readonly handlers: Readonly<Record<string, RegExp>>;
}

const local = {
  runners: { local: { load: "galaxy.jobs.runners.local:LocalJobRunner", workers: 4 } },
  execution: { default: "local", environments: { local: { runner: "local" } } },
};

/** The deployment strategies of the document, each as an administrator would write it. */
const strategies: Record<string, Strategy> = {
  "all-in-one": {
    web: { processes: 2 },
    handlers: { short: /^main\.web\.[12]$/ },
  },
  mules: {
    web: { processes: 2, mule: ["lib/galaxy/main.py", "lib/galaxy/main.py"], farm: "job-handlers:1,2" },
    handlers: { short: /^main\.job-handlers\.[12]$/ },
  },
  "mules with tags": {
    web: {
      processes: 2,
      mule: ["lib/galaxy/main.py", "lib/galaxy/main.py", "lib/galaxy/main.py"],
      farm: ["job-handlers:1,2", "job-handlers.special:3"],
    },
    jobConf: { ...local, tools: [{ id: "special", handler: "special" }] },
    handlers: { short: /^main\.job-handlers\.[12]$/, special: /^main\.job-handlers\.special\.1$/ },
  },
  "a tool mapped to one mule": {
    web: { mule: ["lib/galaxy/main.py", "lib/galaxy/main.py"], farm: "job-handlers:1,2" },
    jobConf: {
      ...local,
      handling: { processes: { "main.job-handlers.2": null } },
      tools: [{ id: "special", handler: "main.job-handlers.2" }],
    },
    handlers: { short: /^main\.job-handlers\.[12]$/, special: /^main\.job-handlers\.2$/ },
  },
  "webless, static": {
    web: { processes: 2 },
    jobConf: {
      ...local,
      handling: { assign: ["db-preassign"], processes: { handler1: null, handler4: { tags: ["special"] } } },
      tools: [{ id: "special", handler: "special" }],
    },
    webless: { handler1: [], handler4: [] },
    handlers: { short: /^handler1$/, special: /^handler4$/ },
  },
  "webless, dynamic": {
    web: { processes: 2 },
    jobConf: {
      ...local,
      handling: { assign: ["db-skip-locked"] },
      tools: [{ id: "special", handler: "special" }],
    },
    webless: { handler0: ["job-handlers"], handler1: ["job-handlers.special"] },
    handlers: { short: /^handler0$/, special: /^handler1$/ },
  },
  hybrid: {
    web: { processes: 2, mule: "lib/galaxy/main.py", farm: "job-handlers:1" },
    jobConf: {
      ...local,
      handling: { assign: ["mule-message", "db-skip-locked"] },
      tools: [{ id: "special", handler: "special" }],
    },
    webless: { handler1: ["job-handlers.special"] },
    handlers: { short: /^main\.job-handlers\.1$/, special: /^handler1$/ },
  },
};

describe("a web tier's process tree", function () {
  this.timeout(5 * patience);

  for (const [name, strategy] of Object.entries(strategies)) {
    describe(name, () => {
      let tree: WebTree;
      before(async () => (tree = await startTree(strategy)));
      after(() => tree.stop());

      it("runs each job where it belongs", async () => {
        for (const [tool, expected] of Object.entries(strategy.handlers)) {
          const ids: number[] = [];
          for (let count = 0; count < 3; count += 1) ids.push(await tree.submit(tool));
          for (const id of ids) expect((await tree.job(id, "ok", "error")).handler).to.match(expected);
        }
      });

      it("replaces a worker that was killed", async () => {
        const before = await tree.whole();
        const victim = before.workers[0]!.pid!;
        process.kill(victim, "SIGKILL");
        await gone([victim]);
        const after = await tree.whole();
        expect(after.workers[0]!.pid).to.not.equal(victim);
        expect(after.workers[0]!.serverName).to.equal("main.web.1");
        expect(after.workers.slice(1).map(({ pid }) => pid)).to.deep.equal(
          before.workers.slice(1).map(({ pid }) => pid),
        );
        const id = await tree.submit("short");
        await tree.job(id, "ok");
      });

      it("keeps a running job through kills of its handler and of the master", async () => {
        const id = await tree.submit("gated");
        const running = await tree.job(id, "running");
        const before = await tree.whole();
        const own = [...before.workers, ...before.mules].find(
          ({ serverName }) => serverName === running.handler,
        );
        if (own !== undefined) {
          process.kill(own.pid!, "SIGKILL");
          await gone([own.pid!]);
          await tree.whole();
          expect((await tree.row(id)).state).to.equal("running");
        }
        const children = pidsOf(await tree.whole());
        tree.master.child.kill("SIGKILL");
        await gone(children);
        await tree.start();
        expect((await tree.row(id)).state).to.equal("running");
        await tree.openGate();
        const ended = await tree.job(id, "ok", "error");
        expect(ended).to.include({ state: "ok", exitCode: 0 });
        // Its own handler once more, or a neighbour on this host that took it over.
        const { workers, mules } = await tree.whole();
        const handlers = [...workers, ...mules].map(({ serverName }) => serverName);
        expect([running.handler, ...handlers, ...Object.keys(strategy.webless ?? {})]).to.include(
          ended.handler,
        );
      });

      it("stops as a whole, with status 0", async () => {
        const children = pidsOf(await tree.whole());
        expect(await tree.master.stop()).to.equal(0);
        expect(children.filter(isLiving)).to.deep.equal([]);
        await until(async () => (await tree.state()) === undefined, { what: "the end of the master" });
      });
    });
  }
});
