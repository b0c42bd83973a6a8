import { expect } from "chai";
import fc from "fast-check";
import { stringify } from "yaml";
import { ConfigFolder } from "./job-config-files.ts";

type Texts = Record<string, string>;

interface Generated {
  runners: Record<string, { workers: number; params: Texts }>;
  handling: {
    assign: string[];
    maxGrab: number | undefined;
    window: number;
    handlers: Record<string, { tags: string[]; plugins: string[] }>;
  };
  destinations: Record<
    string,
    {
      runner: string;
      tags: string[];
      shell: string | undefined;
      params: Texts;
      env: (
        | { kind: "variable"; name: string; value: string; raw: boolean }
        | { kind: "file" | "execute"; text: string }
      )[];
      resubmit: {
        condition: string | undefined;
        destination: string | undefined;
        delay: number | undefined;
      }[];
    }
  >;
  groups: Record<string, string[]>;
  tools: { id: string; handler: string | undefined; destination: string | undefined; params: Texts }[];
  limits: { type: string; id?: string | undefined; window?: number | undefined; value: string }[];
}

describe("A job_conf, whatever it holds,", () => {
  let folder: ConfigFolder;
  before(() => {
    folder = new ConfigFolder();
  });
  after(() => folder.remove());

  it("gives the same object from XML and from YAML", () => {
    fc.assert(
      fc.property(jobConfigs(), (generated) => {
        const load = (name: string, text: string): unknown => {
          const config = folder.load({
            "galaxy.yml": `galaxy: {job_config_file: ${name}}\n`,
            [name]: text,
          });
          return config.jobs;
        };
        const fromXml = load("generated.xml", asXml(generated));
        expect(fromXml).to.deep.equal(load("generated.yml", asYaml(generated)));
        expect(fromXml)
          .to.have.property("handlers")
          .with.length(Object.keys(generated.handling.handlers).length);
      }),
      { numRuns: 150 },
    );
  });
});

function jobConfigs(): fc.Arbitrary<Generated> {
  const id = (prefix: string): fc.Arbitrary<string> =>
    fc
      .string({ unit: fc.constantFrom(...Array.from("az09_.")), minLength: 1, maxLength: 6 })
      .map((rest) => `${prefix}_${rest}`);
  // Without white space around it, which Galaxy removes in XML only.
  const textOf = (letters: string[]): fc.Arbitrary<string> =>
    fc.string({ unit: fc.constantFrom(...letters), maxLength: 12 }).map((value) => value.trim());
  const letters = [
    ...Array.from("aB0 <>&\"'$`\\#:@{}[]%*!|-,~=/?;"),
    "é",
    "日",
    "😀",
    "]]>",
    "&amp;",
    "<!--",
    "null",
    "1e3",
  ];
  const text = textOf([...letters, "\n", "\t"]);
  // An attribute in XML has no line breaks.
  const written = textOf(letters).filter((value) => value !== "");
  const texts = fc.dictionary(
    id("p"),
    text.filter((value) => value !== ""),
    { maxKeys: 3 },
  );
  const tags = fc.uniqueArray(id("tag"), { maxLength: 3 });
  return fc
    .record({
      runnerIds: fc.uniqueArray(id("runner"), { minLength: 1, maxLength: 3 }),
      handlerIds: fc.uniqueArray(id("handler"), { maxLength: 3 }),
      destinationIds: fc.uniqueArray(id("destination"), { minLength: 1, maxLength: 4 }),
      groups: fc.dictionary(id("group"), fc.array(id("field"), { maxLength: 3 }), { maxKeys: 2 }),
    })
    .chain(({ runnerIds, handlerIds, destinationIds, groups }) => {
      const anyOf = <T>(values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
      const mapOf = <T>(ids: readonly string[], value: fc.Arbitrary<T>): fc.Arbitrary<Record<string, T>> =>
        fc
          .array(value, { minLength: ids.length, maxLength: ids.length })
          .map((values) => Object.fromEntries(ids.map((name, index) => [name, values[index]!])));
      const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
        fc.option(value, { nil: undefined });
      const env = fc.oneof(
        fc.record({
          kind: fc.constant("variable" as const),
          name: fc.string({ unit: fc.constantFrom(...Array.from("AZ_")), minLength: 1, maxLength: 6 }),
          value: text,
          raw: fc.boolean(),
        }),
        fc.record({ kind: anyOf(["file", "execute"] as const), text: written }),
      );
      const count = fc.nat(1000);
      return fc.record<Generated>({
        runners: mapOf(runnerIds, fc.record({ workers: fc.integer({ min: 1, max: 99 }), params: texts })),
        handling: fc.record({
          assign: fc.subarray(["db-skip-locked", "db-preassign", "mem-self"], { minLength: 1 }),
          maxGrab: maybe(fc.integer({ min: 1, max: 50 })),
          window: fc.integer({ min: 1, max: 500 }),
          handlers: mapOf(handlerIds, fc.record({ tags, plugins: fc.subarray(runnerIds) })),
        }),
        destinations: mapOf(
          destinationIds,
          fc.record({
            runner: anyOf(runnerIds),
            tags,
            shell: maybe(fc.constant("/bin/sh")),
            params: texts,
            env: fc.array(env, { maxLength: 3 }),
            resubmit: fc.array(
              fc.record({
                condition: maybe(fc.constant("attempt < 3 and memory_limit_reached")),
                destination: maybe(anyOf(destinationIds)),
                delay: maybe(count),
              }),
              { maxLength: 2 },
            ),
          }),
        ),
        groups: fc.constant(groups),
        tools: fc.array(
          fc.record({
            id: id("tool"),
            handler: maybe(id("handler")),
            destination: maybe(anyOf(destinationIds)),
            params: texts,
          }),
          { maxLength: 3 },
        ),
        limits: fc.array(
          fc.oneof(
            fc.record({
              type: anyOf(["registered_user_concurrent_jobs", "anonymous_user_concurrent_jobs"]),
              value: count.map(String),
            }),
            fc.record({
              type: anyOf(["destination_user_concurrent_jobs", "destination_total_concurrent_jobs"]),
              id: anyOf(destinationIds),
              value: count.map(String),
            }),
            fc.record({
              type: fc.constant("total_walltime"),
              window: maybe(fc.integer({ min: 1, max: 90 })),
              value: anyOf(["24:00:00", "0:00:01"]),
            }),
            fc.record({ type: fc.constant("output_size"), value: anyOf(["10G", "1048576", "5 MiB"]) }),
          ),
          { maxLength: 5 },
        ),
      });
    });
}

function asYaml(generated: Generated): string {
  const { runners, handling, destinations, groups, tools, limits } = generated;
  const mapped = <T>(map: Record<string, T>, change: (value: T) => unknown): Record<string, unknown> =>
    Object.fromEntries(Object.entries(map).map(([id, value]) => [id, change(value)]));
  return stringify({
    runners: mapped(runners, ({ workers, params }) => ({ load: "local", workers, ...params })),
    handling: {
      assign: handling.assign,
      max_grab: handling.maxGrab,
      ready_window_size: handling.window,
      processes: mapped(handling.handlers, ({ tags, plugins }) => ({
        tags,
        ...(plugins.length === 0 ? {} : { plugins }),
      })),
    },
    execution: {
      default: Object.keys(destinations)[0],
      environments: mapped(destinations, ({ env, params, ...rest }) => ({
        ...rest,
        params,
        env: env.map((entry) =>
          entry.kind === "variable"
            ? { name: entry.name, value: entry.value, raw: entry.raw }
            : { [entry.kind]: entry.text },
        ),
      })),
    },
    resources: { groups },
    tools: tools.map(({ destination, params, ...rest }) => ({
      ...rest,
      environment: destination,
      ...params,
    })),
    limits,
  });
}

function asXml(generated: Generated): string {
  const { runners, handling, destinations, groups, tools, limits } = generated;
  const all = <T>(map: Record<string, T>, write: (id: string, value: T) => string): string =>
    Object.entries(map)
      .map(([id, value]) => write(id, value))
      .join("\n");
  const params = (of: Texts): string => all(of, (id, value) => element("param", { id }, escaped(value)));
  return element(
    "job_conf",
    {},
    element(
      "plugins",
      {},
      all(runners, (id, runner) =>
        element(
          "plugin",
          { id, type: "runner", load: "local", workers: runner.workers },
          params(runner.params),
        ),
      ),
    ) +
      element(
        "handlers",
        {
          assign_with: handling.assign.join(","),
          max_grab: handling.maxGrab,
          ready_window_size: handling.window,
        },
        all(handling.handlers, (id, { tags, plugins }) =>
          element(
            "handler",
            { id, tags: tags.join(",") },
            plugins.map((plugin) => element("plugin", { id: plugin })).join(""),
          ),
        ),
      ) +
      element(
        "destinations",
        { default: Object.keys(destinations)[0] },
        all(destinations, (id, { runner, tags, shell, params: given, env, resubmit }) =>
          element(
            "destination",
            { id, runner, tags: tags.join(","), shell },
            params(given) +
              env
                .map((entry) =>
                  entry.kind === "variable"
                    ? element("env", { id: entry.name, raw: String(entry.raw) }, escaped(entry.value))
                    : element("env", { [entry.kind === "execute" ? "exec" : "file"]: entry.text }),
                )
                .join("") +
              resubmit.map((rule) => element("resubmit", rule)).join(""),
          ),
        ),
      ) +
      element(
        "resources",
        {},
        all(groups, (id, fields) => element("group", { id }, fields.join(","))),
      ) +
      element(
        "tools",
        {},
        tools.map(({ params: given, ...tool }) => element("tool", tool, params(given))).join(""),
      ) +
      element(
        "limits",
        {},
        limits.map(({ value, ...limit }) => element("limit", limit, escaped(value))).join(""),
      ),
  );
}

function element(
  name: string,
  attributes: Record<string, string | number | undefined>,
  content = "",
): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${escaped(String(value))}"`)
    .join("");
  return `<${name}${written}>${content}</${name}>`;
}

function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
