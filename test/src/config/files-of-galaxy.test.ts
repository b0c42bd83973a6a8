import { expect } from "chai";
import { ConfigFolder } from "./job-config-files.ts";

const RUNNERS = "runners: {local: {load: local}}";

/** What Galaxy takes, and its own sample files have, must not keep an administrator's files from being read. */
describe("An administrator's files from Galaxy", () => {
  let folder: ConfigFolder;
  beforeEach(() => {
    folder = new ConfigFolder();
  });
  afterEach(() => folder.remove());

  describe("may have a destination with a runner that is not there", () => {
    const noRunner = 'execution.environments.lost.runner: there is no runner "locl"';
    const noTarget = 'execution.environments.lost.resubmit[0].environment: there is no environment "ther"';
    const withLost = (more: { here?: string; default?: string; tools?: string }): Record<string, string> => ({
      "job_conf.yml": `${RUNNERS}
execution:
  default: ${more.default ?? "here"}
  environments:
    lost: {runner: locl, tags: [lost_tag], resubmit: [{environment: ther}]}
    there: {runner: local}
    here: {runner: local${more.here ?? ""}}
${more.tools ?? ""}`,
    });

    it("with a warning, as long as no job is sent to it", () => {
      expect(folder.warnings(withLost({}))).to.deep.equal([
        `job_conf.yml:5:12: ${noRunner}: jobs sent there fail; did you mean local?`,
        `job_conf.yml:5:56: ${noTarget}; did you mean there?`,
      ]);
    });

    const leadThere: [who: string, more: Parameters<typeof withLost>[0]][] = [
      ["the default", { default: "lost" }],
      ["a tag that is the default", { default: "lost_tag" }],
      ["a tool", { tools: "tools: [{id: cat, environment: lost}]" }],
      ["a class of tools", { tools: "tools: [{class: local, destination: lost_tag}]" }],
      ["a rule of resubmission", { here: ", resubmit: {destination: lost}" }],
      [
        "a dynamic destination",
        {
          here: "}\n    any: {runner: dynamic, type: choose_one, destination_ids: 'here,lost'",
          default: "any",
        },
      ],
    ];
    for (const [who, more] of leadThere)
      it(`which is a fault where ${who} leads to it`, () => {
        expect(folder.faults(withLost(more))).to.deep.equal([
          `job_conf.yml:5:12: ${noRunner}; did you mean local?`,
          `job_conf.yml:5:56: ${noTarget}; did you mean there?`,
        ]);
      });
  });

  it("may switch plugins and destinations by a parameter, which may come from the environment", () => {
    const file = {
      "job_conf.xml": `<job_conf>
  <plugins>
    <plugin id="local" type="runner" load="local"/>
    <plugin id="cloud" type="runner" load="slurm"><param id="enabled" from_environ="CLOUD">False</param></plugin>
  </plugins>
  <handlers><handler id="cloudy"><plugin id="cloud"/></handler></handlers>
  <destinations default="here">
    <destination id="here" runner="local"/>
    <destination id="burst" runner="cloud" tags="far"><param id="enabled" from_environ="CLOUD">False</param></destination>
  </destinations>
  <limits>
    <limit type="destination_total_concurrent_jobs" id="burst">9</limit>
    <limit type="destination_user_concurrent_jobs" tag="far">1</limit>
  </limits>
</job_conf>`,
    };
    const off = folder.load(file).jobs;
    expect([Object.keys(off.runners), Object.keys(off.destinations)]).to.deep.equal([["local"], ["here"]]);
    expect(off.limits).to.deep.equal({
      destinationTotalConcurrentJobs: [],
      destinationUserConcurrentJobs: [],
    });
    const on = folder.load(file, { CLOUD: "True" }).jobs;
    expect(Object.keys(on.runners)).to.deep.equal(["local", "cloud"]);
    expect(on.destinations["burst"]?.params).to.deep.equal({});
    expect(on.limits.destinationTotalConcurrentJobs).to.deep.equal([{ by: "id", name: "burst", value: 9 }]);
    expect(folder.faults(file, { CLOUD: "perhaps" }).join()).to.include(
      'expected true or false, got "perhaps"',
    );
  });

  it("must leave one destination switched on", () => {
    const none = `${RUNNERS}\nexecution: {environments: {here: {runner: local, enabled: false}}}`;
    expect(folder.faults({ "job_conf.yml": none })).to.deep.equal([
      "job_conf.yml:2:13: execution.environments: no environment is enabled; jobs need at least one destination",
    ]);
  });

  it("may have a rule of resubmission alone instead of a list, and what is wrong in it is said once", () => {
    const withRule = (rule: string): Record<string, string> => ({
      "job_conf.yml": `${RUNNERS}\nexecution: {environments: {here: {runner: local, resubmit: ${rule}}}}`,
    });
    const { destinations } = folder.load(withRule("{condition: attempt < 3, environment: here}")).jobs;
    const rule = { condition: "attempt < 3", destination: "here" };
    expect(destinations["here"]?.resubmit).to.deep.equal([rule]);
    const [fault, ...others] = folder.faults(withRule("always"));
    expect(fault).to.include('here.resubmit: expected a list, got "always"');
    expect(others).to.deep.equal([]);
  });

  it("may use the runner dynamic_tpv, which is a dynamic destination with a rule in Python", () => {
    const file = {
      "job_conf.yml": `${RUNNERS}
execution:
  default: tpv
  environments: {here: {runner: local}, tpv: {runner: dynamic_tpv, tpv_config_files: [rules.yml]}}`,
    };
    expect(folder.load(file).jobs.destinations["tpv"]).to.deep.include({
      runner: "dynamic",
      params: {
        tpv_config_files: ["rules.yml"],
        type: "python",
        function: "map_tool_to_destination",
        rules_module: "tpv.rules",
      },
    });
    expect(folder.warnings(file).join()).to.include("Python, which does not run here: jobs sent there fail");
  });

  it("may have the rules module in a section dynamic, and keywords of a runner under kwds", () => {
    const file = {
      "job_conf.yml":
        "runners: {local: {load: local, kwds: {recheck_missing_job_retries: 2}}}\ndynamic: {rules_module: site.rules}\n",
    };
    expect(folder.load(file).jobs.runners["local"]?.params).to.deep.equal({ recheck_missing_job_retries: 2 });
    expect(folder.warnings(file)).to.have.length(1);
    expect(folder.warnings(file)[0]).to.include("rules_module of the runner dynamic is not used");
  });

  it("may take a value from a key of galaxy.yml that is the administrator's own", () => {
    const xml = `<job_conf>
  <plugins><plugin id="local" type="runner" load="local"/></plugins>
  <destinations>
    <destination id="here" runner="local"><param id="project" from_config="site_project">none</param></destination>
  </destinations>
</job_conf>`;
    const set = { "galaxy.yml": "galaxy:\n  site_project: genomes\n  site_other: 1\n", "job_conf.xml": xml };
    expect(folder.faults(set)).to.deep.equal(["galaxy.yml:3:3: galaxy.site_other: unknown key"]);
    const asked = { ...set, "galaxy.yml": "galaxy: {site_project: genomes}" };
    expect(folder.load(asked).jobs.destinations["here"]?.params).to.deep.equal({ project: "genomes" });
    const unset = { ...set, "galaxy.yml": "" };
    expect(folder.load(unset).jobs.destinations["here"]?.params).to.deep.equal({ project: "none" });
    expect(folder.warnings(unset).join()).to.include("the option site_project is not set in galaxy.yml");
    const noDefault = { ...unset, "job_conf.xml": xml.replace("none", "") };
    expect(folder.faults(noDefault).join()).to.include('there is no option of galaxy.yml "site_project"');
  });

  it("may set options of any release, which are named once as not used", () => {
    const options = [
      "filter-with: proxy-prefix",
      "myexperiment_url: www.example.org",
      "fetch_url_whitelist: 10.0.0.0/8",
      "object_store_cache_monitor_driver: external",
      "enable_mcp_server: true",
      "database_engine_option_pool_pre_ping: true",
      "install_database_engine_option_pool_size: 5",
    ];
    const warnings = folder.warnings({
      "galaxy.yml": `galaxy:\n${options.map((line) => `  ${line}\n`).join("")}`,
    });
    expect(warnings).to.have.length(1);
    for (const option of options) expect(warnings[0]).to.include(option.split(":")[0]);
  });

  it("may write an image of a container as the text of its element", () => {
    const xml = `<job_conf>
  <plugins><plugin id="local" type="runner" load="local"/></plugins>
  <destinations><destination id="here" runner="local"><param id="container">
    <container type="docker">busybox:1.36</container>
  </param></destination></destinations>
</job_conf>`;
    expect(folder.load({ "job_conf.xml": xml }).jobs.destinations["here"]?.params).to.deep.equal({
      container: [{ type: "docker", identifier: "busybox:1.36" }],
    });
  });

  for (const [what, handlers, tools] of [
    [
      "mules that tools are mapped to",
      '<handlers><handler id="main.job-handlers.2"/></handlers>',
      "main.job-handlers.2",
    ],
    ["a farm for a tag, without handlers", "", "special"],
    ["dynamic handlers", '<handlers assign_with="db-skip-locked"/>', "special"],
    ["a drained handler", '<handlers><handler id="a"/><handler id="b" tags="drain"/></handlers>', "b"],
  ] as const)
    it(`may have ${what}, as the scaling document shows`, () => {
      const xml = `<job_conf>${handlers}<tools><tool id="test1" handler="${tools}"/></tools></job_conf>`;
      expect(folder.warnings({ "job_conf.xml": xml })).to.deep.equal([]);
      expect(folder.load({ "job_conf.xml": xml }).jobs.tools).to.deep.equal([
        { id: "test1", handler: tools, params: {} },
      ]);
    });
});
