import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { request as requestTls } from "node:https";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { hasOpenssl, makeCertificate } from "../support/certificate.ts";
import { programs, startGalaxy, type Galaxy } from "../support/galaxy.ts";
import { freePort, hasNginx, startNginx, type Nginx } from "../support/nginx.ts";
import { traversableFolder } from "../support/servers.ts";

const execute = promisify(execFile);
const kinds = ["http", "uwsgi-socket"] as const;

for (const kind of kinds)
  describe(`the nginx file of galaxyctl deploy init, over ${kind}`, function () {
    this.timeout(120_000);
    let folder: string;
    let galaxy: Galaxy;
    let nginx: Nginx;
    let port: number;
    let tlsPort: number;
    let certificate: { certificate: string; key: string };

    const init = async (out: string, ...words: string[]): Promise<{ code: number; said: string }> => {
      const flags = ["-c", galaxy.configFile, "deploy", "init", out, "--with", "nginx"];
      return execute(process.execPath, [programs.ctl, ...flags, ...words], { timeout: 60_000 }).then(
        ({ stdout, stderr }) => ({ code: 0, said: stdout + stderr }),
        (error: { code: number; stdout: string; stderr: string }) => ({
          code: error.code,
          said: error.stdout + error.stderr,
        }),
      );
    };

    before(async function () {
      if (!hasNginx() || !hasOpenssl()) {
        this.test!.title = "needs nginx and openssl";
        this.skip();
      }
      folder = await traversableFolder("galaxy-test-nginx-file-");
      const socket = join(folder, "web.sock");
      const listening =
        kind === "http" ? { http: ["127.0.0.1:0", socket] } : { http: "127.0.0.1:0", "uwsgi-socket": socket };
      galaxy = await startGalaxy({
        handlers: [],
        web: { ...listening, "chmod-socket": "666", "max-upload-size": "3M" },
        galaxy: { nginx_x_accel_redirect_base: "/_x_accel_redirect" },
      });
      if (kind === "uwsgi-socket") {
        // Whoever has an address for HTTP gets that: this one has none that nginx could use.
        const config = JSON.parse(await readFile(galaxy.configFile, "utf8"));
        delete config.web.http;
        await writeFile(galaxy.configFile, JSON.stringify(config));
      }
      port = await freePort();
      tlsPort = await freePort();
      certificate = makeCertificate(folder, "localhost");
      const plain = await init(join(folder, "plain"), "--listen", `127.0.0.1:${port}`, "--host", "localhost");
      expect(plain.said).to.match(/^nginx -t finds nothing wrong$/m);
      const flags = ["--certificate", certificate.certificate, "--key", certificate.key];
      const tls = await init(join(folder, "tls"), "--listen", `127.0.0.1:${tlsPort}`, ...flags);
      expect(tls.said).to.match(/^nginx -t finds nothing wrong$/m);
      // Two sites in one nginx need two names for what they pass to.
      const secure = await readFile(join(folder, "tls", "galaxy.conf"), "utf8");
      await writeFile(
        join(folder, "tls", "galaxy.conf"),
        secure
          .replace("upstream galaxy {", "upstream galaxy_tls {")
          .replaceAll(/_pass (http:\/\/)?galaxy;/g, "_pass $1galaxy_tls;"),
      );
      nginx = await startNginx({
        http: `include ${folder}/plain/galaxy.conf;\n  include ${folder}/tls/galaxy.conf;`,
        server: "",
      });
    });
    after(async () => {
      await nginx?.stop();
      await galaxy?.stop();
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    });

    const ask = (path: string, options: RequestInit = {}): Promise<Response> =>
      fetch(`http://localhost:${port}${path}`, { signal: AbortSignal.timeout(30_000), ...options });
    const upload = async (bytes: number): Promise<Response> => {
      const form = new FormData();
      form.set("tool_id", "upload1");
      form.set("inputs", JSON.stringify({ "files_0|NAME": "a name", file_type: "txt" }));
      form.set("files_0|file_data", new Blob(["x".repeat(bytes - 1), "\n"]), "x.txt");
      return ask("/api/tools", { method: "POST", body: form });
    };

    it("passes the page and the API on", async () => {
      expect(await (await ask("/")).text()).to.match(/<script[^>]+src=/);
      expect((await ask("/api/version")).status).to.equal(200);
    });

    it("takes uploads up to max-upload-size, whose excess Galaxy explains, and hands their download to nginx", async () => {
      const taken = await upload(2_000_000);
      expect(taken.status).to.equal(200);
      const { outputs } = (await taken.json()) as { outputs: { id: string }[] };
      const path = `/api/datasets/${outputs[0]!.id}/display`;
      const direct = await fetch(`${galaxy.address}${path}`);
      expect([direct.headers.get("x-accel-redirect") !== null, await direct.text()]).to.deep.equal([
        true,
        "",
      ]);
      expect((await (await ask(path)).text()).length).to.equal(2_000_000);
      // What Galaxy allows is for nginx alone.
      expect((await ask(direct.headers.get("x-accel-redirect")!)).status).to.equal(404);
      const excess = await upload(3_500_000);
      expect(excess.status).to.equal(413);
      expect(excess.headers.get("content-type")).to.contain("json");
    });

    it("passes events on as they come", async () => {
      const stop = new AbortController();
      const answer = await ask("/api/events", { signal: stop.signal });
      expect(answer.headers.get("content-type")).to.match(/^text\/event-stream/);
      const reader = answer.body!.getReader();
      await upload(10);
      let seen = "";
      const decoder = new TextDecoder();
      while (!seen.includes("event: ")) {
        const { value, done } = await reader.read();
        if (done) break;
        seen += decoder.decode(value);
      }
      stop.abort();
      expect(seen).to.contain("event: ");
    });

    it("speaks TLS with the certificate given, and tells Galaxy so", async () => {
      const [status, hsts, location] = await new Promise<[number, unknown, unknown]>((resolve, reject) => {
        const asked = requestTls(
          { host: "127.0.0.1", port: tlsPort, path: "/api/version", rejectUnauthorized: false },
          (response) => {
            response.resume();
            const { "strict-transport-security": age, location: to } = response.headers;
            response.on("end", () => resolve([response.statusCode!, age, to]));
          },
        );
        asked.on("error", reject);
        asked.end();
      });
      expect([status, location]).to.deep.equal([200, undefined]);
      expect(hsts).to.equal("max-age=31536000");
    });

    it("is refused with what is wrong: half of a pair, words that are more than one, what nginx does not take", async () => {
      const half = await init(join(folder, "half"), "--certificate", certificate.certificate);
      expect([half.code, half.said]).to.satisfy(
        ([code, said]: [number, string]) =>
          code === 1 && /--key: TLS needs a certificate and its key/.test(said),
      );
      const words = await init(join(folder, "words"), "--host", "a; include /etc/passwd");
      expect([words.code, words.said]).to.satisfy(
        ([code, said]: [number, string]) => code === 1 && /--host: .*cannot be written/.test(said),
      );
      const missing = ["--certificate", join(folder, "no.crt"), "--key", join(folder, "no.key")];
      const wrong = await init(join(folder, "wrong"), ...missing);
      expect(wrong.code).to.equal(1);
      expect(wrong.said).to.match(/no\.crt/);
    });

    it("shows what would change before it is overwritten", async () => {
      const out = join(folder, "plain");
      const refused = await init(out, "--listen", "127.0.0.1:81", "--host", "localhost");
      expect(refused.code).to.equal(1);
      expect(refused.said)
        .to.match(/^- +listen 127\.0\.0\.1:\d+;$/m)
        .and.match(/^\+ +listen 127\.0\.0\.1:81;$/m);
    });
  });
