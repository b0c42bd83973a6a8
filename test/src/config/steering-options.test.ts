import { join } from "node:path";
import { expect } from "chai";
import { ConfigFolder } from "./job-config-files.ts";

describe("The options that steer jobs", () => {
  let folder: ConfigFolder;
  beforeEach(() => {
    folder = new ConfigFolder();
  });
  afterEach(() => folder.remove());

  it("have their values from galaxy.yml, with paths made absolute", () => {
    const config = folder.load({
      "galaxy.yml": `galaxy:
  cache_user_job_count: yes
  default_job_resubmission_condition: attempt < 2
  environment_setup_file: config/setup.sh
  job_rules_directory: rules
`,
    });
    expect(config).to.include({
      cacheUserJobCount: true,
      defaultJobResubmissionCondition: "attempt < 2",
      environmentSetupFile: join(folder.path, "config", "setup.sh"),
      jobRulesDirectory: join(folder.path, "rules"),
    });
    const plain = folder.load({ "galaxy.yml": "" });
    expect(plain).to.include({ cacheUserJobCount: false, jobRulesDirectory: join(folder.path, "rules") });
    expect(plain).to.not.have.any.keys("defaultJobResubmissionCondition", "environmentSetupFile");
  });

  it("track_jobs_in_database: false means mem-self, unless methods are configured", () => {
    const untracked = "galaxy: {track_jobs_in_database: false}\n";
    expect(folder.load({ "galaxy.yml": untracked }).jobs.assign).to.deep.equal(["mem-self"]);
    const config = folder.load({
      "galaxy.yml": untracked,
      "job_conf.yml": "handling: {assign: [db-skip-locked]}",
    });
    expect(config.jobs.assign).to.deep.equal(["db-skip-locked"]);
    expect(config.warnings.map(({ message }) => message)).to.deep.equal([
      "has no effect, since job_conf says who handles jobs: db-skip-locked",
    ]);
  });

  it("job_config inline in galaxy.yml wins over a file, and has its faults at its lines", () => {
    const inline = `galaxy:
  job_config:
    handling: {assign: mem-self}
    execution:
      environments:
        here: {runner: locl}
`;
    const faults = folder.faults({ "galaxy.yml": inline, "job_conf.xml": "<nonsense/>" });
    expect(faults).to.deep.equal([
      'galaxy.yml:6:16: galaxy.job_config.execution.environments.here.runner: there is no runner "locl"; did you mean local?',
    ]);
  });

  it("refuse folders whose paths a shell does not take as they are", () => {
    const faults = folder.faults({
      "galaxy.yml": `galaxy:
  file_path: my files
  job_working_directory: /srv/jobs
  new_file_path: /tmp/a'b
`,
    });
    expect(faults).to.have.length(2);
    expect(faults[0]).to.match(
      /^galaxy\.yml:2:3: galaxy\.file_path: the path ".*my files" has characters .*; set file_path to a path of letters/,
    );
    expect(faults[1]).to.match(/^galaxy\.yml:4:3: galaxy\.new_file_path: the path "\/tmp\/a'b"/);
  });
});

describe("What job_conf takes from elsewhere", () => {
  let folder: ConfigFolder;
  beforeEach(() => {
    folder = new ConfigFolder();
  });
  afterEach(() => folder.remove());

  const xml = `<job_conf>
  <plugins><plugin id="local" type="runner" load="local"/></plugins>
  <handlers default="a" default_from_environ="HANDLERS"><handler id="a"/><handler id="b"/></handlers>
  <destinations default="one" default_from_config="server_name">
    <destination id="one" runner="local"><param id="x" from_environ="X"/></destination>
    <destination id="two" runner="local"><param id="x" from_config="id_secrt">1</param></destination>
  </destinations>
</job_conf>`;
  const yml = `runners: {local: {load: local}}
handling: {default: a, default_from_environ: HANDLERS, processes: {a: , b: }}
execution:
  default: one
  default_from_config: server_name
  environments:
    one: {runner: local, x: {from_environ: X}}
    two: {runner: local, x: {from_config: id_secrt, default: "1"}}
`;
  for (const [name, text] of [
    ["job_conf.xml", xml],
    ["job_conf.yml", yml],
  ] as const) {
    it(`is the value where it is set, else the default, in ${name}`, () => {
      const right = text.replace("id_secrt", "id_secret");
      const set = folder.load(
        { "galaxy.yml": "galaxy: {server_name: two, id_secret: s}\n", [name]: right },
        { HANDLERS: "b", X: "from outside" },
      ).jobs;
      expect([set.defaultHandler, set.defaultDestination]).to.deep.equal(["b", "two"]);
      expect(set.destinations["one"]?.params).to.deep.equal({ x: "from outside" });
      expect(set.destinations["two"]?.params).to.deep.equal({ x: "s" });
      const unset = folder.load({ "galaxy.yml": "", [name]: right }).jobs;
      expect([unset.defaultHandler, unset.defaultDestination]).to.deep.equal(["a", "one"]);
      expect(unset.destinations["one"]?.params).to.deep.equal({});
      expect(unset.destinations["two"]?.params).to.deep.equal({ x: "1" });
    });

    it(`is checked like what is written there, in ${name}`, () => {
      const faults = folder.faults({ [name]: text }, { HANDLERS: "c" }).join("\n");
      expect(faults).to.match(/:\d+:\d+: handling\.default_from_environ: no handler has the id or tag c/);
      expect(faults).to.match(/there is no option of galaxy\.yml "id_secrt"; did you mean id_secret\?/);
    });

    it(`is named in a warning where it is not set and there is no default, in ${name}`, () => {
      const right = text.replace("id_secrt", "id_secret");
      const warnings = folder.warnings({ [name]: right });
      expect(warnings).to.have.length(1);
      expect(warnings[0]).to.match(/one\.(params\.)?x\.from_environ: the environment variable X is not set/);
    });
  }
});
