import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { formatFault, loadGalaxyConfig, type GalaxyConfig } from "@galaxy-jobs/runtime";
import { ConfigFolder } from "./job-config-files.ts";

const fixtures = fileURLToPath(new URL("../../fixtures/job-conf", import.meta.url));
const environment = { TEST_RETRIES: "9", TEST_LIMIT: "12", TEST_SWITCH: "Yes" };

for (const form of ["xml", "yml"] as const) {
  describe(`A job_conf.${form} with every feature`, () => {
    let folder: ConfigFolder;
    let config: GalaxyConfig;
    before(() => {
      folder = new ConfigFolder();
      const file = folder.write(
        "galaxy.yml",
        `galaxy:\n  id_secret: from-galaxy-yml\n  job_config_file: ${fixtures}/everything.${form}\n`,
      );
      config = loadGalaxyConfig({ file, env: environment });
    });
    after(() => folder.remove());

    it("gives the runners: with workers, parameters, and without those switched off", () => {
      expect(config.jobs.runners).to.deep.equal({
        local: { load: "galaxy.jobs.runners.local:LocalJobRunner", workers: 6, params: {} },
        cluster: {
          load: "galaxy.jobs.runners.drmaa:DRMAAJobRunner",
          workers: 2,
          params: {
            invalidjobexception_state: "ok",
            invalidjobexception_retries: "3",
            internalexception_retries: "9",
          },
        },
        remote: {
          load: "galaxy.jobs.runners.pulsar:PulsarMQJobRunner",
          workers: 6,
          params: { amqp_url: "from-galaxy-yml", private_token: "none" },
        },
      });
    });

    it("gives the handlers, their tags and plugins, and how jobs are assigned", () => {
      const { assign, maxGrab, readyWindowSize, defaultHandler, handlers } = config.jobs;
      expect({ assign, maxGrab, readyWindowSize, defaultHandler }).to.deep.equal({
        assign: ["db-skip-locked", "db-preassign"],
        maxGrab: 8,
        readyWindowSize: 50,
        defaultHandler: "handlers",
      });
      expect(handlers).to.deep.equal([
        { id: "handler0", tags: [] },
        { id: "handler1", tags: ["handlers"] },
        { id: "handler2", tags: ["handlers", "special"], plugins: ["local", "cluster"] },
      ]);
    });

    it("gives every destination with its runner, tags and parameters", () => {
      const plain = { tags: [], env: [], resubmit: [] };
      const { shelled, walled_week: _, ...others } = config.jobs.destinations;
      expect(config.jobs.defaultDestination).to.equal("local");
      expect(shelled).to.deep.include({ runner: "local", shell: "/bin/zsh", tags: ["variants"], params: {} });
      expect(others).to.deep.equal({
        local: {
          ...plain,
          id: "local",
          runner: "local",
          params: { local_slots: "2", tmp_dir: "true", cleanup_job: "never" },
        },
        docker_local: {
          ...plain,
          id: "docker_local",
          runner: "local",
          tags: ["variants"],
          params: {
            docker_enabled: "true",
            docker_volumes: "$defaults,/data:ro",
            docker_sudo: "true",
            container_override: [
              {
                type: "docker",
                identifier: "busybox:1.36",
                shell: "/bin/sh",
                resolve_dependencies: "false",
              },
            ],
          },
        },
        docker_without_sudo: {
          ...plain,
          id: "docker_without_sudo",
          runner: "local",
          params: { docker_enabled: "true", docker_sudo: "false" },
        },
        walled_day: {
          ...plain,
          id: "walled_day",
          runner: "cluster",
          tags: ["walled", "cluster_all"],
          params: { nativeSpecification: "-q short -l h_rt=24:00:00" },
        },
        node_1: {
          ...plain,
          id: "node_1",
          runner: "cluster",
          tags: ["cluster_all"],
          params: { nativeSpecification: "-l hostname=node1" },
        },
        node_2: {
          ...plain,
          id: "node_2",
          runner: "cluster",
          tags: ["cluster_all"],
          params: { nativeSpecification: "-l hostname=node2" },
        },
        old: {
          ...plain,
          id: "old",
          runner: "cluster",
          params: { url: "drmaa:///-q old.q/", nativeSpecification: "-q old.q" },
        },
        rule: {
          ...plain,
          id: "rule",
          runner: "dynamic",
          params: { type: "javascript", function: "pick", limit: "12" },
        },
        choice: {
          ...plain,
          id: "choice",
          runner: "dynamic",
          params: { type: "choose_one", destination_ids: "node_1,node_2", hash_by: "job" },
        },
        burst: {
          ...plain,
          id: "burst",
          runner: "dynamic",
          params: {
            type: "burst",
            from_destination_ids: "node_1",
            to_destination_id: "local",
            num_jobs: "2",
            job_states: "queued",
          },
        },
        on_by_param: { ...plain, id: "on_by_param", runner: "local", params: {} },
        nowhere: {
          ...plain,
          id: "nowhere",
          runner: "clustr",
          params: {},
          resubmit: [{ destination: "node_9" }],
        },
      });
    });

    it("gives the environment of a destination: variables, files and commands in their order", () => {
      expect(config.jobs.destinations["shelled"]?.env).to.deep.equal([
        { kind: "variable", name: "PLAIN", value: "it's $not expanded", raw: false },
        { kind: "variable", name: "RAW", value: "$HOME/bin:`pwd`", raw: true },
        { kind: "variable", name: "EMPTY", value: "", raw: false },
        { kind: "file", file: "/etc/profile.d/modules.sh" },
        { kind: "execute", command: "module load python/3.12" },
        { kind: "variable", name: "AFTER", value: "modules", raw: false },
      ]);
    });

    it("gives the rules of resubmission", () => {
      expect(config.jobs.destinations["walled_week"]).to.deep.equal({
        id: "walled_week",
        runner: "cluster",
        tags: ["walled", "cluster_all"],
        params: { nativeSpecification: "-q bigmem -l h_rt=168:00:00" },
        env: [],
        resubmit: [
          {
            condition: "memory_limit_reached and attempt < 3",
            destination: "node_1",
            handler: "special",
            delay: "attempt * 1.5",
          },
          { condition: "walltime_reached", delay: "60" },
          {},
        ],
      });
    });

    it("gives the tools, and the groups of resources they offer", () => {
      expect(config.jobs.tools).to.deep.equal([
        {
          id: "bwa_mem",
          handler: "handler0",
          destination: "cluster_all",
          resources: "all",
          priority: 40,
          params: {},
        },
        { id: "toolshed.example.org/repos/x/y/sort/1.0", destination: "local", params: {} },
        { id: "cut", handler: "special", params: { source: "trackster" } },
        { class: "local", handler: "handler0", params: {} },
        { class: "requires_galaxy", destination: "local", params: {} },
        { class: "user_defined", destination: "docker_local", params: {} },
      ]);
      expect(config.jobs.resources).to.deep.equal({
        default: "usual",
        groups: { usual: [], memory: ["memory", "cores"], all: ["memory", "cores", "time", "project"] },
      });
    });

    it("gives every limit, also under its other names, and skips an empty one", () => {
      expect(config.jobs.limits).to.deep.equal({
        registeredUserConcurrentJobs: 5,
        anonymousUserConcurrentJobs: 0,
        destinationUserConcurrentJobs: [
          { by: "id", name: "local", value: 1 },
          { by: "tag", name: "walled", value: 2 },
          { by: "id", name: "old", value: 3 },
        ],
        destinationTotalConcurrentJobs: [
          { by: "id", name: "docker_local", value: 0 },
          { by: "tag", name: "cluster_all", value: 16 },
        ],
        walltime: 86_400,
        totalWalltime: { seconds: 360_000, windowDays: 7 },
        outputSize: 10 * 1024 ** 3,
      });
    });

    it("names once what only Galaxy uses, and says what a limit of 0 means", () => {
      const warnings = config.warnings.map(formatFault);
      const saying = (text: string): string[] => warnings.filter((warning) => warning.includes(text));
      const rules = "rules_module of the runner dynamic";
      const galaxyOnly = ["drmaa_library_path", "metrics", "embed_metadata_in_job", rules];
      const onlyInYaml = ["metadata_strategy", "tool_evaluation_strategy"];
      expect(saying("of the runner dynamic")).to.have.length(1);
      for (const name of galaxyOnly) expect(saying(`${name} is not used`), name).to.have.length(1);
      for (const name of onlyInYaml)
        expect(saying(`${name} is not used`), name).to.have.length(form === "yml" ? 1 : 0);
      expect(saying("the limit is 0: for a user it means no limit")).to.have.length(1);
      expect(saying("the limit is 0: on a destination it means that no job may run there")).to.have.length(1);
    });
  });
}
