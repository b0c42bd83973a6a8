import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { startGalaxy, type Galaxy } from "../support/galaxy.ts";

const fields = `<parameters>
  <param name="cores" type="integer" label="Cores" min="1" max="16" value="2" help="How many"/>
  <param name="queue" type="select" label="Queue"><option value="short"/><option value="long" label="Long one" selected="true"/></param>
</parameters>`;
const rule = `export const by_cores = (resource_params) => {
  if (resource_params.cores === undefined) return "usual";
  return { runner: "local", id: "usual", env: [{ name: "CHOSEN", value: resource_params.cores + " " + resource_params.queue }] };
};`;
const tool = `class: GalaxyUserTool
id: resourceful
name: resourceful
version: "1.0"
shell_command: printenv CHOSEN || echo usual; echo $(JSON.stringify(inputs))
inputs: []
outputs: []
`;

describe("Job resources", function () {
  this.timeout(60_000);
  let folder: string;
  let galaxy: Galaxy;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "galaxy-test-resources-"));
    await mkdir(join(folder, "tools"));
    await mkdir(join(folder, "rules"));
    await writeFile(join(folder, "tools", "resourceful.yml"), tool);
    await writeFile(join(folder, "rules", "cores.js"), rule);
    await writeFile(join(folder, "fields.xml"), fields);
    galaxy = await startGalaxy({
      tools: join(folder, "tools"),
      galaxy: {
        job_rules_directory: join(folder, "rules"),
        job_resource_params_file: join(folder, "fields.xml"),
        job_config: {
          runners: { local: { load: "local" } },
          handling: { assign: ["db-skip-locked"] },
          execution: {
            default: "usual",
            environments: {
              usual: { runner: "local" },
              ruled: { runner: "dynamic", type: "javascript", function: "by_cores" },
            },
          },
          resources: { groups: { full: ["cores", "queue", "note"] } },
          tools: [{ id: "resourceful", environment: "ruled", resources: "full" }],
        },
      },
    });
  });
  after(async () => {
    await galaxy.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it("are fields of the run form, as job_resource_params_conf.xml defines them", async () => {
    const { inputs } = await galaxy.api("/api/tools/resourceful?io_details=true");
    expect(inputs).to.have.length(1);
    expect(inputs[0]).to.include({ name: "__job_resource", type: "conditional" });
    expect(inputs[0].test_param.options.map(([, value]: string[]) => value)).to.deep.equal(["no", "yes"]);
    const [cores, queue, note] = inputs[0].cases[1].inputs;
    expect(cores).to.include({ name: "cores", type: "integer", min: 1, max: 16, value: 2, help: "How many" });
    expect(queue).to.include({ name: "queue", type: "select", value: "long" });
    expect(note).to.include({ name: "note", type: "text", optional: true });
  });

  const printed = async (inputs: object) => {
    const { jobs } = await galaxy.api("/api/tools", { body: { tool_id: "resourceful", inputs } });
    const job = await galaxy.job(jobs[0].id, ["ok", "error"]);
    return job.tool_stdout.trim().split("\n");
  };

  it("reach the rule of the destination, nested or flat, and not the tool", async () => {
    const nested = { __job_resource: { __job_resource__select: "yes", cores: 4 } };
    expect(await printed(nested)).to.deep.equal(["4 long", "{}"]);
    const flat = {
      "__job_resource|__job_resource__select": "yes",
      "__job_resource|cores": "8",
      "__job_resource|queue": "short",
    };
    expect(await printed(flat)).to.deep.equal(["8 short", "{}"]);
    expect(await printed({})).to.deep.equal(["usual", "{}"]);
  });

  it("are checked as other inputs are", async () => {
    const wrong = { __job_resource: { __job_resource__select: "yes", cores: 400, quue: "short" } };
    const answer = await galaxy
      .api("/api/tools", { body: { tool_id: "resourceful", inputs: wrong } })
      .catch((error: Error) => error.message);
    expect(answer).to.match(/400 .*__job_resource\|cores.*__job_resource\|quue.*did you mean queue/s);
  });
});
