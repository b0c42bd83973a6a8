import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { readStream, readStreamChunk, storedStreamChunk, type StreamChunk } from "@galaxy-jobs/handler";

const kept = 32_768;
const character = fc.constantFrom("a", "\n", "é", "ß", "€", "漢", "😀", "𝄞");
/** A text of about so many bytes, not all of one character's length. */
const longText = (bytes: number) =>
  fc
    .array(character, { minLength: 20, maxLength: 60 })
    .map((unit) => unit.join("").repeat(Math.ceil(bytes / Buffer.byteLength(unit.join("")))));

describe("a stream read in chunks", function () {
  this.timeout(60_000);
  let folder: string;
  let path: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "galaxy-streams-"));
    path = join(folder, "stream");
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it("is the same from the file and from the row, whole characters each, whatever the chunks' length", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(character, { maxLength: 200 }).map((letters) => letters.join("")),
        fc.integer({ min: 1, max: 40 }),
        async (text, length) => {
          await writeFile(path, text);
          const running = await inChunks((position) => readStreamChunk(path, position, length));
          const row = await readStream(path);
          const ended = await inChunks((position) => storedStreamChunk(row, position, length));
          for (const { chunks, end } of [running, ended]) {
            expect(chunks.map((chunk) => chunk.text).join("")).to.equal(text);
            expect(chunks.filter(({ text: part }) => part.includes("�"))).to.deep.equal([]);
            expect(end).to.equal(Buffer.byteLength(text));
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it("keeps the head and the tail of a long stream in whole characters, at their own positions", async () => {
    await fc.assert(
      fc.asyncProperty(longText(40_000), fc.integer({ min: 1_000, max: 70_000 }), async (text, length) => {
        await writeFile(path, text);
        const bytes = Buffer.from(text);
        const row = await readStream(path);
        expect(row).to.not.contain("�");
        const { chunks, end } = await inChunks((position) => storedStreamChunk(row, position, length));
        expect(end).to.equal(bytes.length);
        for (const chunk of chunks)
          expect(chunk.text).to.equal(bytes.subarray(chunk.start, chunk.end).toString("utf8"));
        const sent = chunks.reduce((sum, chunk) => sum + chunk.end - chunk.start, 0);
        expect(sent).to.be.within(kept - 6, kept);
      }),
      { numRuns: 60 },
    );
  });

  it("goes on behind what the row left out when the job ended while it was read", async () => {
    const text = Array.from({ length: 9_000 }, (_, index) => `line ${index} é\n`).join("");
    await writeFile(path, text);
    const bytes = Buffer.from(text);
    const seen = await readStreamChunk(path, 0, 50_000);
    const rest = storedStreamChunk(await readStream(path), seen.end, 50_000);
    expect(seen.end).to.equal(50_000);
    expect(rest.start).to.be.within(bytes.length - kept / 2, bytes.length - kept / 2 + 3);
    expect(rest.end).to.equal(bytes.length);
    expect(rest.text).to.equal(bytes.subarray(rest.start).toString("utf8"));
  });

  it("holds back a character that is still being written", async () => {
    await writeFile(path, Buffer.from("ab€").subarray(0, 4));
    expect(await readStreamChunk(path, 0, 100)).to.deep.equal({ text: "ab", start: 0, end: 2 });
    await writeFile(path, "ab€c");
    expect(await readStreamChunk(path, 2, 100)).to.deep.equal({ text: "€c", start: 2, end: 6 });
  });

  it("begins with a whole character when it is asked for the middle of one", async () => {
    await writeFile(path, "€uro");
    expect(await readStreamChunk(path, 1, 100)).to.deep.equal({ text: "uro", start: 3, end: 6 });
    expect(storedStreamChunk("€uro", 1, 100)).to.deep.equal({ text: "uro", start: 3, end: 6 });
  });

  it("does not take a short stream that holds the words of the cut for one that was cut", async () => {
    const text = `before\n..\n[12345 bytes left out]\n..\nafter`;
    expect(storedStreamChunk(text, 0, 1_000)).to.deep.equal({ text, start: 0, end: text.length });
  });

  it("gives nothing without a file, for no length, and beyond the end", async () => {
    expect(await readStreamChunk(join(folder, "none"), 7, 10)).to.deep.equal({ text: "", start: 7, end: 7 });
    expect(await readStreamChunk(path, 2, 0)).to.deep.equal({ text: "", start: 2, end: 2 });
    // A new attempt has begun a shorter file: the end below the position tells.
    expect(await readStreamChunk(path, 700, 10)).to.deep.equal({ text: "", start: 6, end: 6 });
  });

  it("passes over bytes that are no UTF-8", async () => {
    await writeFile(path, Buffer.from([0x61, 0xff, 0xe9, 0x62, 0x80, 0x80, 0x80, 0x80, 0x80, 0x63]));
    const { chunks, end } = await inChunks((position) => readStreamChunk(path, position, 1));
    expect(end).to.equal(10);
    expect(chunks.at(-1)!.text).to.contain("c");
  });
});

async function inChunks(
  read: (position: number) => StreamChunk | Promise<StreamChunk>,
): Promise<{ chunks: StreamChunk[]; end: number }> {
  const chunks: StreamChunk[] = [];
  for (let position = 0; ;) {
    const chunk = await read(position);
    if (chunk.end === position) return { chunks, end: position };
    expect(chunk.end).to.be.above(position);
    chunks.push(chunk);
    position = chunk.end;
  }
}
