import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect } from "chai";
import { HandlerAssigner } from "@galaxy-jobs/handler";
import { loadGalaxyConfig, silentLogger } from "@galaxy-jobs/runtime";
import { loadIdEncoder } from "@galaxy-jobs/shared-db";
import { loadToolBox } from "@galaxy-jobs/tools";
import { createApp, EventFeed, Hints, SubmitQueue } from "@galaxy-jobs/web";
import {
  must,
  paste,
  startSharedGalaxy,
  submit,
  type Answer,
  type SharedGalaxy,
} from "../support/api-client.ts";
import { withDatabase } from "../support/database.ts";

type Document = any;

describe("the OpenAPI document", function () {
  this.timeout(120_000);
  const database = withDatabase();
  let shared: SharedGalaxy;
  let document: Document;
  before(async () => {
    shared = await startSharedGalaxy();
    document = await must(shared.nobody("/openapi.json"));
  });
  after(() => shared?.galaxy.stop());

  it("is valid OpenAPI 3.1", async () => {
    expect(document.openapi).to.equal("3.1.0");
    const result = await new Validator().validate(structuredClone(document));
    expect(result.errors ?? []).to.deep.equal([]);
    expect(result.valid).to.equal(true);
  });

  it("has every route that the application serves, and no other", async () => {
    const config = loadGalaxyConfig({ file: shared.galaxy.configFile, env: {}, serverName: "main" });
    const tools = await loadToolBox(config.toolPaths);
    const app = createApp({
      config,
      database: database.sql,
      logger: silentLogger,
      ids: await loadIdEncoder(database.sql),
      toolBox: () => tools,
      feed: new EventFeed(database.sql, silentLogger),
      hints: new Hints(database.sql, silentLogger),
      submitQueue: new SubmitQueue(database.sql, silentLogger),
      assigner: new HandlerAssigner({
        config,
        database: database.sql,
        self: undefined,
        mules: undefined,
        warn: () => undefined,
      }),
      release: "test",
      protocol: 1,
      metrics: () => Promise.resolve(""),
    });
    const served = routesOf(app.router as unknown as Layers)
      .filter((route) => / \/(api|health|metrics|openapi\.json)\b/.test(route))
      .map((route) => route.replaceAll(/:(\w+)/g, "{$1}"));
    expect(served.toSorted()).to.deep.equal(operationsOf(document).toSorted());
    expect(served).to.include.members(["get /api/jobs/{id}", "get /health/ready", "get /metrics"]);
  });

  it("says what really is answered, for every operation", async () => {
    const { admin, alice, ids } = shared;
    const check = checker(document);
    const input = await paste(alice, "one\ntwo\n");
    const ran = await submit(alice, "cat1", { input1: { src: "hda", id: input }, queries: [] });
    await galaxyJob(ran.job, "ok");
    const slow = await submit(alice, "sleep", { seconds: 600 });
    const failed = await submit(alice, "fail_with_code", { code: 3, message: "no" });
    await galaxyJob(failed.job, "error");
    const history = await check("post /api/histories", alice("/api/histories", { body: { name: "mine" } }));
    const job = `/api/jobs/${ran.job}`;

    await check("get /api/tools", alice("/api/tools"));
    await check("get /api/tools", alice("/api/tools?in_panel=False"));
    await check("get /api/tools/{id}", alice("/api/tools/cat1"));
    await check("get /api/tools/{id}", alice("/api/tools/upload1"));
    await check("get /api/tools/{id}/build", alice("/api/tools/cat1/build"));
    await check("get /api/tools/{id}/raw_tool_source", alice("/api/tools/cat1/raw_tool_source"));
    await check("get /api/tools/{id}/citations", alice("/api/tools/cat1/citations"));
    await check(
      "post /api/tools",
      alice("/api/tools", { body: { tool_id: "sleep", inputs: { seconds: 0 } } }),
    );
    await check(
      "post /api/jobs/batch",
      alice("/api/jobs/batch", {
        body: { runs: [{ tool_id: "sleep", inputs: { seconds: 0 } }, { tool_id: "no_such_tool" }] },
      }),
    );
    await check("get /api/jobs", alice("/api/jobs"));
    await check("get /api/jobs", admin("/api/jobs?view=admin_job_list"));
    await check("get /api/jobs/{id}", alice(job));
    await check("get /api/jobs/{id}", alice(`${job}?full=true`));
    await check("get /api/jobs/{id}", admin(`/api/jobs/${failed.job}?full=true`));
    for (const part of ["inputs", "outputs", "metrics", "parameters_display", "common_problems", "why"])
      await check(`get /api/jobs/{id}/${part}`, alice(`${job}/${part}`));
    await check("get /api/jobs/{id}/build_for_rerun", alice(`${job}/build_for_rerun`));
    await check("get /api/jobs/{id}/destination_params", admin(`${job}/destination_params`));
    await check("get /api/jobs/{id}/stdout", alice(`${job}/stdout`));
    await check("get /api/jobs/{id}/stderr", alice(`/api/jobs/${failed.job}/stderr`));
    await check("get /api/jobs/{id}/console_output", alice(`/api/jobs/${failed.job}/console_output`));
    await check(
      "post /api/jobs/{id}/error",
      alice(`/api/jobs/${failed.job}/error`, { body: { dataset_id: failed.outputs[0] ?? input } }),
    );
    await check(
      "post /api/jobs/search",
      alice("/api/jobs/search", { body: { tool_id: "sleep", inputs: { seconds: 600 } } }),
    );
    await check("delete /api/jobs/{id}", alice(`/api/jobs/${slow.job}`, { method: "DELETE" }));
    await check("put /api/jobs/{id}/resume", alice(`${job}/resume`, { method: "PUT" }));
    await check("get /api/datasets", alice("/api/datasets"));
    await check("get /api/datasets/{id}", alice(`/api/datasets/${input}`));
    await check("get /api/datasets/{id}/display", alice(`/api/datasets/${input}/display`));
    const own = (await must(alice(`/api/datasets/${input}`))).history_id;
    await check(
      "get /api/histories/{history}/contents/{id}/display",
      alice(`/api/histories/${own}/contents/${input}/display`),
    );
    await check(
      "delete /api/datasets/{id}",
      alice(`/api/datasets/${input}?purge=true`, { method: "DELETE" }),
    );
    await check("get /api/histories", alice("/api/histories"));
    await check("get /api/histories/most_recently_used", alice("/api/histories/most_recently_used"));
    await check("get /api/histories/{id}", alice(`/api/histories/${history.id}`));
    await check("get /api/histories/{id}/contents", alice(`/api/histories/${own}/contents`));
    await check("get /api/whoami", alice("/api/whoami"));
    await check("get /api/whoami", shared.nobody("/api/whoami"));
    const handler = "/api/handlers/handler0";
    await check("get /api/handlers/{name}", admin(handler));
    await check("put /api/handlers/{name}/drain", admin(`${handler}/drain`, { method: "PUT" }));
    await check("put /api/handlers/{name}/resume", admin(`${handler}/resume`, { method: "PUT" }));
    await check(
      "post /api/handlers/{name}/reassign",
      admin(`${handler}/reassign`, { body: { to_pool: "job-handlers" } }),
    );
    await shared.galaxy.database
      .sql`insert into handler_drain (server_name, requested_by) values ('gone', 'tester@example.org')`;
    await check("delete /api/handlers/{name}", admin("/api/handlers/gone", { method: "DELETE" }));
    await check("get /api/admin/jobs", admin("/api/admin/jobs"));
    await check("get /api/admin/maintenance_runs", admin("/api/admin/maintenance_runs"));
    await check("get /api/admin/actions", admin("/api/admin/actions"));
    await check("get /api/users/current", alice("/api/users/current"));
    await check("get /api/users", admin("/api/users"));
    await check("get /api/users/{id}", admin(`/api/users/${ids.bob}`));
    const made = { email: "carol@example.org", username: "carol" };
    const carol = await check("post /api/users", admin("/api/users", { body: made }));
    const key = await check(
      "post /api/users/{id}/api_key",
      admin(`/api/users/${carol.id}/api_key`, { method: "POST" }),
    );
    await check("post /api/session", shared.nobody("/api/session", { body: { api_key: key } }));
    await check("delete /api/session", shared.nobody("/api/session", { method: "DELETE" }));
    await check(
      "delete /api/users/{id}/api_key",
      admin(`/api/users/${carol.id}/api_key`, { method: "DELETE" }),
    );
    await check("get /api/job_lock", admin("/api/job_lock"));
    await check("put /api/job_lock", admin("/api/job_lock", { method: "PUT", body: { active: false } }));
    for (const path of ["/api/handlers", "/api/pools"]) await check(`get ${path}`, admin(path));
    for (const path of ["/api/version", "/api/configuration", "/health/live", "/health/ready", "/metrics"])
      await check(`get ${path}`, shared.nobody(path));
    await check("get /openapi.json", shared.nobody("/openapi.json"));
    await check("get /api/docs", shared.nobody("/api/docs"));
    await check("get /api/docs/{file}", shared.nobody("/api/docs/swagger-ui.css"));
    await check("get /api/events", alice("/api/events", { method: "HEAD" }));

    // Errors have one shape.
    await check("get /api/jobs/{id}", alice("/api/jobs/00000000000000000000000000000000"));
    await check("get /api/jobs", shared.nobody("/api/jobs"));
    await check(
      "post /api/tools",
      alice("/api/tools", { body: { tool_id: "cat1", inputs: { nothing: 1 } } }),
    );
    await check("put /api/jobs/{id}/resume", alice(`${job}/resume`, { method: "PUT" }));
    expect([...check.unasked()]).to.deep.equal([]);
  });

  it("is shown by a page that needs nothing from elsewhere", async () => {
    const { text, headers } = await shared.nobody("/api/docs");
    expect(headers.get("content-security-policy")).to.contain("default-src 'self'");
    const parts = Array.from(text.matchAll(/(?:src|href)="([^"]+)"/g), (match) => match[1]!);
    expect(parts).to.have.length(4);
    for (const part of parts) expect((await shared.nobody(part)).status, part).to.equal(200);
    expect(text).to.not.match(/<script>|style="/);
    expect((await shared.nobody("/api/docs/package.json")).status).to.equal(404);
    expect((await shared.nobody("/api/docs/..%2fpackage.json")).status).to.equal(404);
  });

  async function galaxyJob(id: string, state: string) {
    const { until } = await import("../support/until.ts");
    await until(async () => (await must(shared.alice(`/api/jobs/${id}`))).state === state, {
      what: `job ${id} to be ${state}`,
      deadline: 40_000,
    });
  }
});

interface Layers {
  readonly stack: readonly {
    readonly route?: { readonly path: string; readonly methods: Readonly<Record<string, boolean>> };
    readonly handle?: Partial<Layers>;
  }[];
}

/** `get /api/jobs/:id`, wherever it hangs. */
function routesOf({ stack }: Layers): string[] {
  return stack.flatMap(({ route, handle }) => {
    if (route !== undefined) return Object.keys(route.methods).map((method) => `${method} ${route.path}`);
    return handle?.stack === undefined ? [] : routesOf({ stack: handle.stack });
  });
}

function operationsOf({ paths }: Document): string[] {
  return Object.entries<object>(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );
}

/** Checks answers against the documented schemas, and remembers which operations nobody asked for. */
function checker(document: Document) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  ajv.addSchema(document, "api");
  const unasked = new Set(operationsOf(document));
  const check = async (operation: string, asked: Promise<Answer>): Promise<any> => {
    unasked.delete(operation);
    const [method, path] = operation.split(" ") as [string, string];
    const answer = await asked;
    const { responses } = document.paths[path][method];
    const status = answer.status in responses ? String(answer.status) : "default";
    const content = responses[status].content as Record<string, object>;
    const [type] = Object.keys(content);
    const given = answer.headers.get("content-type")!.split(";")[0]!;
    if (type === "*/*" || type === "application/octet-stream") return answer.text;
    expect(given, operation).to.equal(type);
    if (type !== "application/json") return answer.text;
    const place = ["paths", path, method, "responses", status, "content", type, "schema"];
    const pointer = place.map((key) => encodeURIComponent(key.replaceAll("~", "~0").replaceAll("/", "~1")));
    const validate = ajv.getSchema(`api#/${pointer.join("/")}`)!;
    const valid = validate(answer.body) === true;
    expect(valid ? [] : validate.errors, `${operation} answered ${answer.text.slice(0, 500)}`).to.deep.equal(
      [],
    );
    return answer.body;
  };
  return Object.assign(check, { unasked: () => unasked });
}
