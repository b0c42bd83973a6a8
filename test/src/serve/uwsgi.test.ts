import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type ListenerSpec } from "@galaxy-jobs/runtime";
import { expect } from "chai";
import fc from "fast-check";
import { everything, said, startTier, type Tier } from "../support/tier.ts";
import { until } from "../support/until.ts";

const listener: ListenerSpec = { id: "uwsgi", protocol: "uwsgi", address: { path: "uwsgi.sock" } };

function packet(variables: Record<string, string>, modifier1 = 0): Buffer {
  const parts = Object.entries(variables)
    .flat()
    .map((text) => {
      const bytes = Buffer.from(text, "latin1");
      const size = Buffer.alloc(2);
      size.writeUInt16LE(bytes.length);
      return Buffer.concat([size, bytes]);
    });
  const block = Buffer.concat(parts);
  const header = Buffer.from([modifier1, block.length & 0xff, block.length >> 8, 0]);
  return Buffer.concat([header, block]);
}

const get = (path: string, more: Record<string, string> = {}) =>
  packet({ REQUEST_METHOD: "GET", REQUEST_URI: path, HTTP_HOST: "galaxy.example.org", ...more });

describe("the uwsgi protocol", function () {
  this.timeout(60_000);
  let tier: Tier;
  let asked: {
    method: string;
    url: string;
    headers: IncomingMessage["headers"];
    address: string;
    encrypted: unknown;
  }[];
  before(async () => {
    tier = await startTier({
      app: application,
      listeners: [listener, { ...listener, id: "small", address: { path: "small.sock" } }],
      limits: { headersTimeout: 700, sweepInterval: 50 },
    });
  });
  beforeEach(() => (asked = []));
  after(() => tier?.stop());

  function application(request: IncomingMessage, response: ServerResponse): void {
    const { method, url, headers, socket } = request;
    asked.push({
      method: method!,
      url: url!,
      headers,
      address: socket.remoteAddress!,
      encrypted: (socket as unknown as { encrypted?: boolean }).encrypted,
    });
    const hash = createHash("sha256");
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      hash.update(chunk);
    });
    request.on("end", () => {
      response.setHeader("content-type", "text/plain");
      response.write(`${bytes} bytes `);
      response.end(hash.digest("hex").slice(0, 16));
    });
  }

  async function send(...chunks: (Buffer | string)[]): Promise<string> {
    const socket = tier.dial("uwsgi");
    const answer = everything(socket);
    for (const chunk of chunks) socket.write(chunk);
    return answer;
  }
  const digest = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 16);

  it("is answered as HTTP, without chunks, and the connection ends with the answer", async () => {
    const answer = await send(get("/api/jobs?state=ok"));
    expect(answer).to.match(/^HTTP\/1.1 200 OK\r\n/);
    expect(answer)
      .to.match(/\r\nConnection: close\r\n/)
      .and.not.match(/chunked/i);
    expect(answer.endsWith(`\r\n\r\n0 bytes ${digest("")}`)).to.equal(true);
    expect(asked[0]).to.include({ method: "GET", url: "/api/jobs?state=ok", encrypted: false });
    expect(asked[0]!.headers).to.include({ host: "galaxy.example.org" });
  });

  it("names the client, its scheme and its headers, and the body that follows", async () => {
    const variables = {
      REQUEST_METHOD: "POST",
      REQUEST_URI: "/api/tools",
      CONTENT_TYPE: "application/json",
      CONTENT_LENGTH: "11",
      REMOTE_ADDR: "192.0.2.7",
      REMOTE_PORT: "4711",
      HTTPS: "on",
      HTTP_X_API_KEY: "k1",
      HTTP_CONNECTION: "upgrade",
      HTTP_UPGRADE: "websocket",
      HTTP_EXPECT: "100-continue",
      HTTP_TRANSFER_ENCODING: "chunked",
      HTTP_CONTENT_LENGTH: "5",
    };
    const bytes = Buffer.concat([packet(variables), Buffer.from("hello world"), Buffer.from("GET /second")]);
    // One byte at a time up to the body.
    const answer = await send(
      ...[...bytes.subarray(0, 20)].map((byte) => Buffer.from([byte])),
      bytes.subarray(20),
    );
    expect(answer).to.contain(`11 bytes ${digest("hello world")}`);
    expect(asked).to.have.length(1);
    expect(asked[0]).to.include({ method: "POST", address: "192.0.2.7", encrypted: true });
    expect(asked[0]!.headers).to.deep.equal({
      "content-type": "application/json",
      "content-length": "11",
      "x-api-key": "k1",
    });
  });

  it("takes a body in chunks, where the proxy sends it so", async () => {
    const head = get("/", { REQUEST_METHOD: "PUT", HTTP_TRANSFER_ENCODING: "chunked" });
    expect(await send(head, "5\r\nhello\r\n", "6\r\n world\r\n0\r\n\r\n")).to.contain(
      `11 bytes ${digest("hello world")}`,
    );
  });

  it("finds the path in PATH_INFO where there is no REQUEST_URI, and takes an absolute form by its path", async () => {
    await send(
      packet({
        REQUEST_METHOD: "GET",
        SCRIPT_NAME: "/galaxy",
        PATH_INFO: "/a b/\u00c3\u00a4?",
        QUERY_STRING: "x=1",
        SERVER_NAME: "named.example",
      }),
    );
    expect(asked[0]!.url).to.equal("/galaxy/a%20b/%C3%A4%3F?x=1");
    expect(asked[0]!.headers.host).to.equal("named.example");
    await send(get("http://other.example/p?q"));
    expect(asked[1]!.url).to.equal("/p?q");
  });

  it("answers a client that closes its side behind the request, and cuts one that does so inside the body", async () => {
    const whole = tier.dial("uwsgi");
    const answer = everything(whole);
    whole.end(get("/"));
    expect(await answer).to.contain("200 OK");
    const half = tier.dial("uwsgi");
    const nothing = everything(half);
    half.end(
      Buffer.concat([get("/", { REQUEST_METHOD: "POST", CONTENT_LENGTH: "100" }), Buffer.from("half")]),
    );
    expect(await nothing).to.not.contain("200 OK");
    await until(() => tier.connections.counts().open === 0, { what: "both connections to end" });
  });

  it("refuses what could smuggle a second request, or is none", async () => {
    const refused: [string, Buffer][] = [
      ["a line end in the path", get("/ HTTP/1.1\r\nx: y")],
      ["a blank in the path", get("/a b")],
      ["a path that is none", get("api")],
      ["a line end in a header", get("/", { HTTP_X_A: "a\r\nx-admin: yes" })],
      ["a header with a colon", get("/", { "HTTP_X: A": "b" })],
      ["a method with a blank", get("/", { REQUEST_METHOD: "GET /x" })],
      ["no method", packet({ REQUEST_URI: "/" })],
      ["a length that is none", get("/", { CONTENT_LENGTH: "-1" })],
      ["an unknown coding", get("/", { HTTP_TRANSFER_ENCODING: "gzip, chunked" })],
      ["another modifier", packet({ REQUEST_METHOD: "GET", REQUEST_URI: "/" }, 22)],
      ["a block that ends inside a value", Buffer.from([0, 5, 0, 0, 1, 0, 65, 9, 0])],
      ["plain HTTP", Buffer.from("GET / HTTP/1.1\r\nHost: h\r\n\r\n")],
    ];
    for (const [what, bytes] of refused) expect(await send(bytes), what).to.match(/^HTTP\/1.1 400 /);
    expect(asked).to.deep.equal([]);
  });

  it("takes any bytes at all without harm", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (bytes) => {
        const socket = tier.dial("uwsgi");
        const answer = everything(socket);
        socket.end(Buffer.concat([Buffer.from([0, bytes.length, 0, 0]), bytes]));
        expect(await answer).to.match(/^(HTTP\/1.1 4\d\d |$)/);
      }),
      { numRuns: 60 },
    );
    expect(await send(get("/"))).to.contain("200 OK");
  });

  it("gives up on a packet that does not arrive", async () => {
    const socket = tier.dial("uwsgi");
    socket.write(Buffer.from([0, 100, 0, 0, 1]));
    expect(await everything(socket)).to.match(/^HTTP\/1.1 408 /);
  });

  it("holds to the buffer size, up to the 64 KiB that the protocol knows", async () => {
    expect(await send(get("/", { HTTP_X_LARGE: "a".repeat(65_000) }))).to.contain("200 OK");
    const small = await startTier({
      app: application,
      listeners: [listener],
      limits: { uwsgiBufferBytes: 4_096 },
    });
    try {
      const socket = small.dial("uwsgi");
      socket.write(get("/", { HTTP_X_LARGE: "a".repeat(5_000) }));
      expect(await everything(socket)).to.match(/^HTTP\/1.1 431 /);
    } finally {
      await small.stop();
    }
  });

  it("takes a body no faster than the application does", async () => {
    let reader: IncomingMessage | undefined;
    const slow = await startTier({ app: (request) => (reader = request), listeners: [listener] });
    try {
      const socket = slow.dial("uwsgi");
      const size = 100 * 1_048_576;
      socket.write(get("/", { REQUEST_METHOD: "POST", CONTENT_LENGTH: String(size) }));
      for (let sent = 0; sent < size; sent += 1_048_576) socket.write(Buffer.alloc(1_048_576));
      await until(() => reader !== undefined, { what: "the request" });
      let before = -1;
      await until(
        () => {
          const stands = socket.writableLength === before;
          before = socket.writableLength;
          return stands;
        },
        { what: "the sender to wait", every: 200 },
      );
      expect(before).to.be.greaterThan(90 * 1_048_576);
      let bytes = 0;
      reader!.on("data", (chunk: Buffer) => (bytes += chunk.length));
      await new Promise((resolve) => reader!.once("end", resolve));
      expect(bytes).to.equal(size);
      socket.destroy();
    } finally {
      await slow.stop();
    }
  });

  it("streams an answer to a proxy that reads slowly without holding it in memory", async () => {
    let written = 0;
    const large = await startTier({
      app: (_request, response) => {
        const more = () => {
          while (written < 400 && response.write(Buffer.alloc(1_048_576))) written += 1;
          if (written < 400) response.once("drain", () => ((written += 1), more()));
          else response.end();
        };
        more();
      },
      listeners: [listener],
    });
    try {
      const socket = large.dial("uwsgi");
      socket.write(get("/"));
      await said(socket, /200 OK/);
      socket.pause();
      let before = -1;
      await until(
        () => {
          const stands = written === before;
          before = written;
          return stands;
        },
        { what: "the writer to wait", every: 200 },
      );
      expect(written).to.be.lessThan(100);
      let bytes = 0;
      socket.on("data", (chunk: Buffer) => (bytes += chunk.length));
      await new Promise((resolve) => socket.once("close", resolve).resume());
      expect(bytes).to.be.greaterThan(399 * 1_048_576);
    } finally {
      await large.stop();
    }
  });
});
