import { spawnSync } from "node:child_process";
import { expect } from "chai";
import { programs } from "../support/galaxy.ts";
import { ConfigFolder } from "./job-config-files.ts";

describe("galaxyctl config check", () => {
  let folder: ConfigFolder;
  beforeEach(() => {
    folder = new ConfigFolder();
  });
  afterEach(() => folder.remove());

  function check(files: Record<string, string>): { status: number | null; stdout: string; stderr: string } {
    for (const [name, text] of Object.entries(files)) folder.write(name, text);
    const args = [programs.ctl, "--config-file", "galaxy.yml", "config", "check"];
    return spawnSync(process.execPath, args, { cwd: folder.path, encoding: "utf8" });
  }

  const jobConf = (limits: string): string => `<job_conf>
  <plugins><plugin id="local" type="runner" load="local"/></plugins>
  <destinations><destination id="here" runner="local"/></destinations>
  <limits>
    ${limits}
  </limits>
</job_conf>`;

  it("says which files it read, and for each limit of 0 what it means", () => {
    const { status, stdout } = check({
      "galaxy.yml": "galaxy: {}\n",
      "job_conf.xml": jobConf(
        '<limit type="registered_user_concurrent_jobs">0</limit>\n' +
          '<limit type="destination_user_concurrent_jobs" id="here">0</limit>\n' +
          '<limit type="destination_total_concurrent_jobs" id="here">0</limit>\n' +
          '<limit type="output_size">0</limit>',
      ),
    });
    expect(stdout.split("\n").map((line) => folder.shorten(line))).to.deep.equal([
      "warning: job_conf.xml:5:5: limits[0].value: the limit is 0: for a user it means no limit",
      "warning: job_conf.xml:6:1: limits[1].value: the limit is 0: for a user it means no limit",
      "warning: job_conf.xml:7:1: limits[2].value: the limit is 0: on a destination it means that no job may run there",
      "warning: job_conf.xml:8:1: limits[3].value: the limit is 0: for the size of an output it means no limit",
      "galaxy.yml with job_conf.xml is valid",
      "",
    ]);
    expect(status).to.equal(0);
  });

  it("lists the faults of both files and ends with 1", () => {
    const { status, stderr } = check({
      "galaxy.yml": "galaxy:\n  clenup_job: never\n",
      "job_conf.xml": jobConf('<limit type="waltime">1:00:00</limit>'),
    });
    expect(stderr).to.include("galaxy.yml:2:3: galaxy.clenup_job: unknown key; did you mean cleanup_job?");
    expect(stderr).to.include(
      'job_conf.xml:5:12: limits[0].type: unknown type of limit "waltime"; did you mean walltime?',
    );
    expect(status).to.equal(1);
  });
});
