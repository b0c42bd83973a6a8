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

  it("names a priority that is none", () => {
    const tools = (priority: string) => ({
      "galaxy.yml": "galaxy: {}\n",
      "job_conf.yml": `execution: {environments: {here: {runner: local}}}\nrunners: {local: {load: local}}\ntools: [{id: x, priority: ${priority}}]\n`,
    });
    for (const wrong of ["0", "1.5"])
      expect(check(tools(wrong)).stderr).to.match(/tools\[0\]\.priority: expected a whole number/);
    expect(check(tools("100")).stderr).to.equal("");
  });

  const dynamic = (environments: string, tools = "") => ({
    "galaxy.yml": "galaxy: {}\n",
    "job_conf.yml": `execution:\n  default: here\n  environments:\n    here: {runner: local}\n${environments}${tools}`,
    "rules/rules.ts":
      "export const pick = (user: object): string => 'here';\nexport const wrong = (usr: object) => 'here';\n",
  });

  it("lists what is wrong with the choices of dynamic destinations, where it stands", () => {
    const { status, stderr } = check(
      dynamic(
        `    a: {runner: dynamic, type: choose_one, destination_ids: "here,hree", hash_by: usr}
    b: {runner: dynamic, type: burst, from_destination_ids: here, num_jobs: few, job_states: queud}
    c: {runner: dynamic, type: chose_one}
    d: {runner: dynamic, type: burst, from_destination_ids: here, to_destination_id: ther, num_jobs: 1}
    e: {runner: local, params: {local_slots: many, cleanup_job: sometimes}}
    there: {runner: local, tmp_dir: "true"}
`,
        [
          "tools:",
          "  - {id: x, environment: thre}",
          ...["a", "b", "c", "d", "e"].map((id) => `  - {id: t${id}, environment: ${id}}`),
          "",
        ].join("\n"),
      ),
    );
    expect(status).to.equal(1);
    for (const line of [
      'execution.environments.a.destination_ids: there is no environment "hree"; did you mean here?',
      'execution.environments.a.hash_by: "usr" is none of job, user, history, workflow_invocation; did you mean user?',
      "execution.environments.b.to_destination_id: to_destination_id is required",
      'execution.environments.b.num_jobs: expected a whole number, got "few"',
      'execution.environments.b.job_states: "queud" is none of queued, running; did you mean queued?',
      'execution.environments.c.type: unknown type of rule "chose_one"; did you mean choose_one?',
      'execution.environments.d.to_destination_id: there is no environment "ther"; did you mean there?',
      'execution.environments.e.params.local_slots: expected a whole number, got "many"',
      'execution.environments.e.params.cleanup_job: expected one of always, onsuccess, never, got "sometimes"',
      'tools[0].environment: there is no environment "thre"; did you mean there?',
    ])
      expect(stderr).to.include(line);
  });

  it("loads the rules: a module, function or argument that there is not is a fault; Python is a warning", () => {
    const { status, stdout, stderr } = check(
      dynamic(
        `    a: {runner: dynamic, type: javascript, function: pick}
    b: {runner: dynamic, type: javascript, function: pikc}
    c: {runner: dynamic, type: javascript, function: pick, rules_module: others}
    d: {runner: dynamic, type: javascript, function: wrong}
    e: {runner: dynamic, type: javascript}
    f: {runner: dynamic, function: pick}
`,
        "tools:\n  - {id: mytool, environment: e}\n",
      ),
    );
    expect(status).to.equal(1);
    const faults = stderr.split("\n").map((line) => folder.shorten(line));
    const of = (id: string) => faults.filter((line) => line.includes(`environments.${id}: `)).join();
    expect(of("a")).to.equal("");
    expect(of("b")).to.match(
      /no function pikc in any module of .*rules \(there are: rules\.ts with pick, wrong\)/,
    );
    expect(of("c")).to.match(/there is no module others in /);
    expect(of("d")).to.match(/the rule asks for usr, which there is not; there are .*user_email/);
    expect(of("e")).to.match(/there is no function mytool in any module/);
    expect(of("f")).to.equal("");
    expect(stdout).to.match(
      /warning: .*environments\.f: its jobs will fail: rules are JavaScript or TypeScript here, not Python; write it as a function/,
    );
  });

  it("starts no handler whose rules are not there", () => {
    const files = dynamic("    a: {runner: dynamic, type: javascript, function: pikc}\n");
    for (const [name, text] of Object.entries(files)) folder.write(name, text);
    const args = [
      programs.handler,
      "-c",
      "galaxy.yml",
      "--server-name",
      "h0",
      "--attach-to-pool",
      "job-handlers",
    ];
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: folder.path, encoding: "utf8" });
    expect(status).to.equal(1);
    expect(stderr).to.match(/environments\.a: there is no function pikc/);
  });
});
