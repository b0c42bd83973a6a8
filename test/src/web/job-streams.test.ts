import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { apiClient, must, submit, type ApiClient } from "../support/api-client.ts";
import { startGalaxy, type Galaxy } from "../support/galaxy.ts";
import { until } from "../support/until.ts";

const lines = (first: number, last: number) =>
  Array.from(
    { length: last - first + 1 },
    (_, index) => `${String(first + index).padStart(6, "0")} é漢😀\n`,
  ).join("");
const half = 4_000;

describe("the streams of a job", function () {
  this.timeout(120_000);
  let galaxy: Galaxy;
  let client: ApiClient;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "galaxy-talk-"));
    const talk = (id: string, first: number, last: number) => `class: GalaxyUserTool
id: ${id}
name: ${id}
version: "1"
shell_command: |
  seq -f '%06.0f é漢😀' 0 ${first}; echo problem >&2; while [ ! -e '${folder}/${id}.gate' ]; do sleep 0.05; done; seq -f '%06.0f é漢😀' ${first + 1} ${last}
inputs: []
outputs: []
`;
    await writeFile(join(folder, "long.yml"), talk("long", half, 2 * half));
    await writeFile(join(folder, "short.yml"), talk("short", 10, 20));
    galaxy = await startGalaxy({ tools: folder });
    client = apiClient(galaxy.address);
  });
  after(async () => {
    await galaxy?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const part = (job: string, position: number, length: number) =>
    must(
      client(
        `/api/jobs/${job}/console_output?stdout_position=${position}&stdout_length=${length}&stderr_length=100`,
      ),
    );
  /** Follows stdout to where it ends now. */
  const follow = async (job: string, from: number, length: number) => {
    let text = "";
    let gap = 0;
    for (let position = from; ;) {
      const answer = await part(job, position, length);
      if (answer.stdout_end === position) return { text, position, gap, state: answer.state as string };
      expect(Buffer.byteLength(answer.stdout)).to.equal(answer.stdout_end - answer.stdout_start);
      gap += answer.stdout_start - position;
      text += answer.stdout;
      position = answer.stdout_end;
    }
  };
  const written = (job: string, bytes: number) =>
    until(async () => (await part(job, bytes - 1, 10)).stdout_end >= bytes, {
      what: `${bytes} bytes of output`,
      deadline: 30_000,
    });

  it("are followed from the running job to the ended one by the same positions", async () => {
    const { job } = await submit(client, "short", {});
    const before = lines(0, 10);
    await written(job, Buffer.byteLength(before));
    for (const length of [1, 7, 13, 50_000]) {
      const seen = await follow(job, 0, length);
      expect(seen).to.include({ text: before, gap: 0, state: "running" });
    }
    await writeFile(join(folder, "short.gate"), "");
    await galaxy.job(job, ["ok"], 30_000);
    const rest = await follow(job, Buffer.byteLength(before), 11);
    expect(rest).to.include({ text: lines(11, 20), gap: 0, state: "ok" });
    expect(await follow(job, 0, 3)).to.include({ text: lines(0, 20), gap: 0 });
    expect((await client(`/api/jobs/${job}/stdout`)).text).to.equal(lines(0, 20));
    expect((await client(`/api/jobs/${job}/stderr`)).text).to.equal("problem\n");
    const { stderr, stderr_end } = await part(job, 0, 0);
    expect({ stderr, stderr_end }).to.deep.equal({ stderr: "problem\n", stderr_end: 8 });
  });

  it("that are long are whole while the job runs; of the ended one the head and the tail stay, at their positions", async () => {
    const { job } = await submit(client, "long", {});
    const before = lines(0, half);
    const all = lines(0, 2 * half);
    await written(job, Buffer.byteLength(before));
    const whole = await client(`/api/jobs/${job}/stdout`);
    expect(whole.text).to.equal(before);
    expect(whole.headers.get("content-type")).to.equal("text/plain; charset=utf-8");
    expect(whole.headers.get("content-security-policy")).to.equal("sandbox");
    const seen = await follow(job, 0, 10_000);
    expect(seen.text).to.equal(before);
    await writeFile(join(folder, "long.gate"), "");
    await galaxy.job(job, ["ok"], 30_000);
    const rest = await follow(job, seen.position, 10_000);
    const size = Buffer.byteLength(all);
    expect(rest.position).to.equal(size);
    expect(rest.gap).to.be.above(0);
    expect(
      Buffer.from(all)
        .subarray(seen.position + rest.gap)
        .toString(),
    ).to.equal(rest.text);
    const again = await follow(job, 0, 1_000);
    expect(again.gap).to.be.within(size - 32_768, size - 32_768 + 6);
    const stored = (await client(`/api/jobs/${job}/stdout`)).text;
    expect(stored).to.match(/\n\.\.\n\[\d+ bytes left out\]\n\.\.\n/);
    expect(stored).to.not.contain("�");
    expect(Number(/\[(\d+) bytes left out\]/.exec(stored)![1])).to.equal(again.gap);
  });

  it("are empty before the job has started", async () => {
    await galaxy.handlers[0]!.stop();
    galaxy.handlers.splice(0, 1);
    const { job } = await submit(client, "short", {});
    expect((await client(`/api/jobs/${job}/stdout`)).text).to.equal("");
    expect(await part(job, 0, 100)).to.include({ state: "new", stdout: "", stdout_start: 0, stdout_end: 0 });
  });
});
