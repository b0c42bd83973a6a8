import { rm } from "node:fs/promises";
import { SlurmRunner } from "@galaxy-jobs/handler";
import { describeRunner } from "./conformance.ts";
import { makeRoot } from "./run-directory.ts";
import { missingForSlurm, startSlurm, type SlurmTestCluster } from "./slurm-cluster.ts";

describe("a cluster of slurmctld, slurmd and munged", function () {
  this.timeout(120_000);
  let cluster: SlurmTestCluster;
  let root: string;

  before(async function () {
    const missing = missingForSlurm();
    if (missing !== undefined) {
      console.log(`      needs Slurm of its own: ${missing}`);
      this.skip();
    }
    cluster = await startSlurm();
    root = await makeRoot();
  });
  after(async () => {
    await cluster?.stop();
    if (root !== undefined) await rm(root, { recursive: true, force: true, maxRetries: 5 });
  });

  describeRunner("SlurmRunner", {
    root: () => root,
    make: () =>
      new SlurmRunner(
        "slurm",
        { load: "slurm", workers: 4, params: { slurm_conf: cluster.conf } },
        {
          interval: 200,
          onTrouble: (error) => {
            throw error;
          },
        },
      ),
  });
});
