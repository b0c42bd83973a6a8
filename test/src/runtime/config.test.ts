import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "chai";
import {
  describeConfig,
  FaultsError,
  formatFault,
  loadGalaxyConfig,
  parseDatabaseConnection,
  type GalaxyConfig,
} from "@galaxy-jobs/runtime";

describe("The configuration", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "galaxy-test-config-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function write(name: string, text: string): string {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  function load(text: string, env: Record<string, string> = {}): GalaxyConfig {
    return loadGalaxyConfig({ file: write("galaxy.yml", text), env });
  }

  /** The faults, without the folder in front. */
  function faultsOf(text: string, env: Record<string, string> = {}): string[] {
    try {
      load(text, env);
    } catch (error) {
      if (!(error instanceof FaultsError)) throw error;
      return error.faults.map((fault) => formatFault(fault).replaceAll(`${folder}/`, ""));
    }
    return [];
  }

  it("needs no file: everything has its default", () => {
    const config = loadGalaxyConfig({ env: {} });
    expect(config).to.include({
      serverName: "main",
      cleanupJob: "always",
      singleUser: "admin@localhost.localdomain",
    });
    expect(config.adminUsers).to.deep.equal(["admin@localhost.localdomain"]);
    expect(config.web.http).to.deep.equal([{ host: "127.0.0.1", port: 8080 }]);
    expect(config.jobs).to.deep.include({ defaultDestination: "local" });
    expect(config.jobs.runners["local"]).to.include({ workers: 4 });
    expect(config.database.kind).to.equal("embedded");
  });

  it("names every fault at once, with its place and what was meant", () => {
    const faults = faultsOf(`galaxy:
  clenup_job: always
  cleanup_job: sometimes
  database_connection: sqlite:///universe.sqlite
  job_config:
    handling: {assign: [db-skip-lockd]}
    runners:
      local: {load: local, workers: 0}
web:
  htp: :8080
galxy: {}
`);
    expect(faults).to.have.length(7);
    const all = faults.join("\n");
    expect(all).to.include("galaxy.yml:2:3: galaxy.clenup_job: unknown key; did you mean cleanup_job?");
    expect(all).to.include(
      'galaxy.yml:3:3: galaxy.cleanup_job: expected one of always, onsuccess, never, got "sometimes"',
    );
    expect(all).to.match(
      /galaxy\.yml:4:3: galaxy\.database_connection: only PostgreSQL is supported, not sqlite/,
    );
    expect(all).to.match(/galaxy\.yml:6:\d+: .*db-skip-lockd.*did you mean db-skip-locked\?/);
    expect(all).to.match(/galaxy\.yml:8:\d+: .*workers: expected a whole number from 1/);
    expect(all).to.match(/galaxy\.yml:10:3: web\.htp: unknown key; did you mean http\?/);
    expect(all).to.match(/galaxy\.yml:11:1: galxy: unknown section; did you mean galaxy\?/);
  });

  it("says where the syntax is wrong, which key is there twice, and that a file is missing", () => {
    expect(faultsOf("galaxy:\n  brand: [x\n").join()).to.match(/galaxy\.yml:\d+:\d+: not valid YAML/);
    expect(faultsOf("galaxy:\n  brand: x\n  brand: y\n").join()).to.include(
      "galaxy.yml:3:3: galaxy.brand: the key occurs twice",
    );
    expect(() => loadGalaxyConfig({ file: join(folder, "none.yml"), env: {} })).to.throw(
      FaultsError,
      "there is no such file",
    );
  });

  it("lets the environment override the file, and give defaults below it", () => {
    const env = {
      GALAXY_CONFIG_OVERRIDE_CLEANUP_JOB: "never",
      GALAXY_CONFIG_CLEANUP_JOB: "onsuccess",
      GALAXY_CONFIG_ID_SECRET: "not this one",
      GALAXY_CONFIG_JOB_RUNNER_MONITOR_SLEEP: "0.25",
    };
    const config = load("galaxy:\n  cleanup_job: always\n  id_secret: from the file\n", env);
    expect(config).to.include({
      cleanupJob: "never",
      idSecret: "from the file",
      jobRunnerMonitorSleep: 0.25,
    });
  });

  it("names the variable when the fault is in the environment", () => {
    const faults = faultsOf("galaxy: {}\n", {
      GALAXY_CONFIG_OVERRIDE_CLEANUP_JOB: "x",
      GALAXY_CONFIG_OVERRIDE_CLENUP_JOB: "x",
    });
    expect(faults.join("\n")).to.match(/GALAXY_CONFIG_OVERRIDE_CLEANUP_JOB: expected one of/);
    expect(faults.join("\n")).to.include("did you mean GALAXY_CONFIG_OVERRIDE_CLEANUP_JOB?");
  });

  it("puts data under the root: the parent of a folder named config, else the folder of the file", () => {
    const inConfig = loadGalaxyConfig({
      file: write("config/galaxy.yml", "galaxy:\n  file_path: database/files\n"),
      env: {},
    });
    expect(inConfig.rootDirectory).to.equal(folder);
    expect(inConfig.fileDirectory).to.equal(join(folder, "database", "files"));
    expect(load("galaxy: {data_dir: data}").jobWorkingDirectory).to.equal(
      join(folder, "data", "jobs_directory"),
    );
    expect(load("galaxy: {galaxy_root: elsewhere}").rootDirectory).to.equal(join(folder, "elsewhere"));
  });

  it("reads uwsgi: as web:, with repeated keys, and warns once of what is not used", () => {
    const config = load(
      "uwsgi:\n  http: 127.0.0.1:1\n  http: 127.0.0.1:2\n  threads: 4\n  module: galaxy.webapps.galaxy.buildapp:uwsgi_app()\n  pythonpath: lib\n",
    );
    expect(config.web.http.map(({ port }) => port)).to.deep.equal([1, 2]);
    expect(config.warnings).to.have.length(1);
    expect(config.warnings[0]?.message).to.include("threads, module, pythonpath");
  });

  it("takes an existing galaxy.yml with one warning for the options it does not use", () => {
    const config = load("galaxy:\n  brand: x\n  conda_auto_install: true\n");
    expect(config.warnings).to.have.length(1);
    expect(config.warnings[0]?.message).to.include("brand, conda_auto_install");
  });

  it("refuses an address that others reach while everybody would be the administrator", () => {
    const faults = faultsOf("galaxy: {}\nweb:\n  http: 0.0.0.0:8080\n");
    expect(faults).to.have.length(1);
    expect(faults[0]).to.match(/galaxy\.yml:3:3: web\.http: .*administrator.*single_user: false/);
    expect(faultsOf("galaxy: {single_user: false}\nweb: {http: ':8080'}\n")).to.deep.equal([]);
    expect(load("galaxy: {database_connection: 'postgresql://h/d'}\nweb: {http: ':80'}").singleUser).to.equal(
      undefined,
    );
  });

  it("makes an explicit single user an administrator only if admin_users says so", () => {
    expect(load("galaxy: {single_user: a@b.org}").adminUsers).to.deep.equal([]);
  });

  it("reads job_conf.yml beside it, inline before the file", () => {
    write(
      "job_conf.yml",
      "execution:\n  environments:\n    here: {runner: local, env: [{name: A, value: 1}]}\n",
    );
    const config = load("galaxy: {}");
    expect(config.jobs.defaultDestination).to.equal("here");
    expect(config.jobs.destinations["here"]?.env).to.deep.equal([
      { kind: "variable", name: "A", value: "1", raw: false },
    ]);
    const inline = load(
      "galaxy:\n  job_config:\n    handling: {assign: [db-self], max_grab: 3, processes: {h0: {tags: [x]}}}\n",
    );
    expect(inline.jobs).to.deep.include({ assign: ["db-self"], maxGrab: 3, defaultDestination: "local" });
    expect(inline.jobs.handlers).to.deep.equal([{ id: "h0", tags: ["x"] }]);
  });

  it("finds faults in job_conf.yml at their lines there", () => {
    write("job_conf.yml", "execution:\n  default: thre\n  environments:\n    there: {runner: lokal}\n");
    const faults = faultsOf("galaxy: {}").join("\n");
    expect(faults).to.match(/job_conf\.yml:2:\d+: execution\.default: .*did you mean there\?/);
    expect(faults).to.match(/job_conf\.yml:4:\d+: .*did you mean local\?/);
  });

  it("is frozen to its depth", () => {
    const config = load("galaxy: {}");
    expect(config.jobs.runners["local"]).to.satisfy(Object.isFrozen);
    expect(config.web.http[0]).to.satisfy(Object.isFrozen);
  });

  it("is described without its secrets", () => {
    const text = JSON.stringify(
      describeConfig(
        load(
          "galaxy: {id_secret: s3cret, bootstrap_admin_api_key: k3yk3yk3y, database_connection: 'postgresql://u:pa55@h/d'}",
        ),
      ),
    );
    for (const secret of ["s3cret", "k3yk3yk3y", "pa55"]) expect(text).not.to.include(secret);
    expect(text).to.include("postgresql://u:***@h/d");
  });
});

describe("A database address", () => {
  const parse = parseDatabaseConnection;
  it("is read in SQLAlchemy's spelling", () => {
    expect(parse("postgresql+psycopg2://u:p%40ss@h:5433/db?sslmode=require")).to.deep.equal({
      host: "h",
      port: 5433,
      database: "db",
      user: "u",
      password: "p@ss",
      ssl: "require",
    });
    expect(parse("postgresql:///db?host=/var/run/postgresql")).to.include({
      host: "/var/run/postgresql",
      database: "db",
    });
    expect(parse("postgres://u@[::1]/db?sslmode=disable")).to.include({
      host: "::1",
      port: 5432,
      ssl: false,
    });
  });
  it("of another database is refused with an example, never showing the password", () => {
    for (const url of ["sqlite:///x", "mysql://u:pa55@h/d", "nonsense", "postgresql://u:pa55@h:99999/d"]) {
      expect(() => parse(url))
        .to.throw(/postgresql:\/\/galaxy/)
        .and.satisfy((error: Error) => !error.message.includes("pa55"));
    }
  });
});
