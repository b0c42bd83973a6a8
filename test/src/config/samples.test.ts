import { readFileSync } from "node:fs";
import { expect } from "chai";
import { GALAXY_OPTIONS, parseYaml, type GalaxyConfig } from "@galaxy-jobs/runtime";
import { ConfigFolder } from "./job-config-files.ts";

function sample(name: string): string {
  return readFileSync(new URL(`../../../config/${name}.sample`, import.meta.url), "utf8");
}

/** Takes the # away where a key or a list item follows; comments in words have a blank after it. */
function uncommentYaml(text: string): string {
  return text.replaceAll(/^(\s*)#(\s*(?:[a-z_0-9-]+:|- ).*)$/gm, (line, indent: string, content: string) =>
    /^ (?! )/.test(content) ? line : indent + content,
  );
}

/** Takes the comment signs away where an element follows. */
function uncommentXml(text: string): string {
  return text.replaceAll(/<!--\s*(<[\s\S]*?>)\s*-->/g, "$1");
}

describe("The sample configuration files", () => {
  let folder: ConfigFolder;
  beforeEach(() => {
    folder = new ConfigFolder();
  });
  afterEach(() => folder.remove());

  /** The sample must be free of faults; warnings may only be about what the sample says. */
  function load(files: Record<string, string>): GalaxyConfig {
    expect(folder.faults(files)).to.deep.equal([]);
    return folder.load(files);
  }

  it("load as they are, without a warning", () => {
    for (const [name, target] of [
      ["galaxy.yml", "galaxy.yml"],
      ["job_conf.yml", "job_conf.yml"],
      ["job_conf.xml", "job_conf.xml"],
    ] as const) {
      const text = sample(name);
      expect(folder.faults({ [target]: text }), name).to.deep.equal([]);
      if (name !== "job_conf.xml") expect(folder.warnings({ [target]: text }), name).to.deep.equal([]);
      folder.remove();
      folder = new ConfigFolder();
    }
  });

  it("galaxy.yml.sample has every option, and the values it shows are the defaults", () => {
    const text = uncommentYaml(sample("galaxy.yml"));
    const written = Object.keys((parseYaml(text, "sample").value as { galaxy: object }).galaxy);
    const oldNames = ["master_api_key"];
    expect(written).to.have.members(Object.keys(GALAXY_OPTIONS).filter((name) => !oldNames.includes(name)));
    // The sample is for a folder named config, below the root.
    const root = (config: string): string => config.replace(/^ {2}(galaxy_root|config_dir): .*$/gm, "");
    const uncommented = load({
      "galaxy.yml": root(text),
      "config/job_resource_params_conf.xml": "<parameters/>",
    });
    expect(uncommented.warnings).to.deep.equal([]);
    const plain = load({ "galaxy.yml": sample("galaxy.yml") });
    const examples = [
      "database",
      "adminUsers",
      "bootstrapAdminApiKey",
      "idSecret",
      "attachToPools",
      "defaultJobResubmissionCondition",
      "environmentSetupFile",
      "fileHandover",
      "maintenance",
      "toolPaths",
      "jobRulesDirectory",
      "web",
    ];
    const withoutExamples = (config: GalaxyConfig): object =>
      Object.fromEntries(Object.entries(config).filter(([name]) => !examples.includes(name)));
    // Of the web tier the sample shows examples too: listening sockets, processes, files.
    const webDefaults = ({ web }: GalaxyConfig): object => ({
      limits: [web.maxUploadBytes, web.maxBodyBytes, web.rateLimitPerMinute],
      patience: [web.tree.workerMercy, web.tree.muleMercy, web.tree.harakiri],
      signals: web.tree.signals,
    });
    expect(webDefaults(uncommented)).to.deep.equal(webDefaults(plain));
    expect(withoutExamples(uncommented)).to.deep.equal(withoutExamples(plain));
  });

  it("job_conf.yml.sample holds also with everything that is commented out", () => {
    const { jobs } = load({ "job_conf.yml": uncommentYaml(sample("job_conf.yml")) });
    expect(Object.keys(jobs.destinations)).to.deep.equal([
      "local",
      "cluster",
      "two_slots",
      "large",
      "by_chance",
      "overflow",
      "by_rule",
    ]);
    expect(jobs.destinations["two_slots"]?.env).to.have.length(4);
    expect(jobs.handlers.map(({ id }) => id)).to.deep.equal(["handler0", "handler1"]);
    expect(jobs.limits).to.include({ registeredUserConcurrentJobs: 20, walltime: 86_400 });
    expect(jobs.tools).to.have.length(3);
  });

  it("job_conf.xml.sample holds also with everything that is commented out", () => {
    const { jobs } = load({
      "job_conf.xml": uncommentXml(sample("job_conf.xml")),
      "more_macros.xml": "<macros/>",
    });
    expect(Object.keys(jobs.destinations)).to.deep.equal([
      "local",
      "slots_2",
      "slots_8",
      "with_everything",
      "cluster",
      "by_chance",
      "overflow",
      "by_rule",
    ]);
    expect(jobs.destinations["with_everything"]?.env).to.have.length(4);
    expect(jobs.handlers.map(({ id }) => id)).to.deep.equal(["handler0", "handler1"]);
    expect(jobs.limits).to.include({ registeredUserConcurrentJobs: 20, walltime: 86_400 });
    expect(jobs.tools).to.have.length(3);
  });

  it("job_resource_params_conf.xml.sample defines the fields of the sample's groups", () => {
    const config = load({
      "job_conf.yml": uncommentYaml(sample("job_conf.yml")),
      "job_resource_params_conf.xml": sample("job_resource_params_conf.xml"),
    });
    expect(Object.keys(config.jobResourceFields)).to.have.members(config.jobs.resources.groups["full"]!);
    expect(
      folder
        .faults({
          "job_resource_params_conf.xml": '<parameters><param name="x" type="intger" mn="1"/></parameters>',
        })
        .map((line) => line.replace(/^.*xml:/, "")),
    ).to.deep.equal([
      "1:13: unknown attribute mn; write one of name, type, label, help, value, min, max, size, optional, checked",
      "1:13: unknown type of field intger; write integer, float, text, boolean or select",
    ]);
  });
});
