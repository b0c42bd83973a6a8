import { mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { createLogger } from "@galaxy-jobs/runtime";

describe("The log", () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "galaxy-test-log-"));
    file = join(folder, "deeper", "galaxy.log");
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  async function lines(format: "text" | "json", facts: Record<string, unknown>): Promise<string[]> {
    const logger = createLogger({ level: "debug", format, file, facts: { server: "main" } });
    logger.child({ job: 7 }).info("job.finished", facts);
    await logger.close();
    return readFileSync(file, "utf8").split("\n").slice(0, -1);
  }

  it("writes one event as one line, whatever is in its facts", async () => {
    const nasty = 'a\nb\r\u2028c\u001b[31m\u0000"d';
    expect(await lines("text", { tool: nasty })).to.have.length(1);
    const all = await lines("json", { tool: nasty });
    expect(all).to.have.length(2);
    expect(all[0]).to.match(/^\d{4}-\d\d-\d\dT\S+Z INFO +job\.finished server=main job=7 tool="a\\nb/);
    expect(all[0]).not.to.match(/[\p{Cc}\p{Zl}]/u);
    expect(JSON.parse(all[1] ?? "")).to.include({
      level: "info",
      event: "job.finished",
      job: 7,
      tool: nasty,
    });
  });

  it("masks secrets, in URLs too", async () => {
    const [line] = await lines("text", {
      api_key: "hush1",
      settings: { dbPassword: "hush2", Authorization: "hush3" },
      url: "postgresql://u:hush4@h/d",
    });
    expect(line).not.to.include("hush");
    expect(line).to.include("postgresql://u:***@h/d");
  });

  it("writes an error's message and causes; in JSON its stack too; and cannot be broken by a fact", async () => {
    const circle: Record<string, unknown> = { big: 5n };
    circle["self"] = circle;
    const error = new Error("no room", { cause: new Error("disk full") });
    const [json] = await lines("json", { error, circle });
    const event = JSON.parse(json ?? "") as { error: { message: string; stack: string }; circle: unknown };
    expect(event.error.message).to.equal("no room: disk full");
    expect(event.circle).to.deep.equal({ big: "5", self: "(cycle)" });
    expect(event.error.stack).to.include("log.test");
  });

  it("goes on in a new file after rotation, and keeps quiet below its level", async () => {
    const logger = createLogger({ level: "info", format: "text", file });
    logger.info("before");
    logger.debug("unheard");
    renameSync(file, `${file}.1`);
    logger.info("still.before");
    logger.reopen();
    logger.info("after");
    await logger.close();
    expect(readFileSync(`${file}.1`, "utf8")).to.match(/before\n.*still\.before\n$/);
    expect(readFileSync(file, "utf8")).to.match(/^\S+ INFO +after\n$/);
  });
});
