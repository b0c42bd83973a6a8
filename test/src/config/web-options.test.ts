import { expect } from "chai";
import type { WebConfig } from "@galaxy-jobs/runtime";
import { ConfigFolder } from "./job-config-files.ts";

describe("The options of the web tier", () => {
  let folder: ConfigFolder;
  beforeEach(() => (folder = new ConfigFolder()));
  afterEach(() => folder.remove());

  const people = "galaxy:\n  single_user: a@example.org\n";
  const load = (sections: string): WebConfig => folder.load({ "galaxy.yml": `${people}${sections}` }).web;
  const faults = (sections: string): string =>
    folder.faults({ "galaxy.yml": `${people}${sections}` }).join("\n");
  const addresses = (sections: string): string[] => load(sections).listeners.map(({ id }) => id);

  it("are read from the document's example as uWSGI reads it, repeated keys and all", () => {
    const web = load(`uwsgi:
  module: galaxy.webapps.galaxy.buildapp:uwsgi_app()
  virtualenv: .venv
  pythonpath: lib
  master: true
  enable-threads: true
  processes: 2
  threads: 4
  offload-threads: 1
  die-on-term: true
  hook-master-start: unix_signal:2 kill_them_all
  hook-master-start: unix_signal:15 gracefully_kill_them_all
  shared-socket: :80
  shared-socket: :443,server.crt,server.key
  http-to-https: =0
  https: =1
  uid: galaxy
  gid: galaxy
  static-map: /static/style=static/style/blue
  static-map: /static=static
  mule: lib/galaxy/main.py
  mule: lib/galaxy/main.py
  mule: lib/galaxy/main.py
  farm: job-handlers:1,2
  farm: job-handlers.special:3
  mule-reload-mercy: 90
  py-call-osafterfork: true
  chdir: .
  stats: 127.0.0.1:9191
`);
    expect(web.listeners.map(({ id }) => id)).to.deep.equal([
      "https 0.0.0.0:443",
      "http-to-https 0.0.0.0:80",
    ]);
    expect(web.listeners[0]!.tls!.key).to.match(/^\/.*\/server\.key$/);
    expect(web.listeners[1]!.httpsPort).to.equal(443);
    expect(web.tree).to.deep.include({
      hasMaster: true,
      processes: 2,
      farms: [
        { name: "job-handlers", mules: [1, 2] },
        { name: "job-handlers.special", mules: [3] },
      ],
      workerMercy: 60,
      muleMercy: 90,
      uid: "galaxy",
      gid: "galaxy",
    });
    expect(web.tree.signals).to.include({ SIGINT: "stop-at-once", SIGTERM: "stop", SIGHUP: "reload" });
    expect(web.staticMaps.map(({ mount }) => mount)).to.deep.equal(["/static/style", "/static"]);
    expect(web.stats).to.deep.equal({ host: "127.0.0.1", port: 9191 });
    expect(web.onlyLoopback).to.equal(false);
  });

  it("take socket as HTTP under web:, and as the protocol uwsgi under uwsgi:", () => {
    expect(addresses("web: {socket: /run/g/web.sock}\n")).to.deep.equal(["http /run/g/web.sock"]);
    expect(addresses("uwsgi: {socket: /run/g/web.sock}\n")).to.deep.equal(["uwsgi /run/g/web.sock"]);
    expect(addresses("web: {uwsgi-socket: '127.0.0.1:4001', socket: /a/b}\n")).to.deep.equal([
      "http /a/b",
      "uwsgi 127.0.0.1:4001",
    ]);
  });

  it("give unix sockets their permissions and owner", () => {
    const [listener] = load(
      "web: {socket: /run/g/w, chmod-socket: 660, chown-socket: 'galaxy:www-data'}\n",
    ).listeners;
    expect(listener!.address).to.deep.equal({
      path: "/run/g/w",
      mode: 0o660,
      owner: "galaxy",
      group: "www-data",
    });
  });

  it("listen nowhere themselves in an application that attaches to a zerg pool", () => {
    const web = load("web: {zerg: /run/g/pool.sock}\n");
    expect(web).to.deep.include({ listeners: [], onlyLoopback: false });
    expect(web.tree).to.include({ hasMaster: true, zerg: "/run/g/pool.sock" });
    expect(load("web: {zerg-pool: '/run/g/pool.sock:127.0.0.1:80,/run/g/w'}\n").tree.zergPool).to.deep.equal({
      control: { path: "/run/g/pool.sock" },
      addresses: [{ host: "127.0.0.1", port: 80 }, { path: "/run/g/w" }],
    });
  });

  it("name what is wrong, all at once, with its place", () => {
    const found = faults(`web:
  procesess: 2
  https: 127.0.0.1:443
  http: =3
  chmod-socket: 999
  hook-master-start: unix_signal:99 kill_them_all
  farm: job-handlers:one
  zerg: ${"x/".repeat(60)}
  stats: nowhere
`);
    for (const expected of [
      /galaxy\.yml:4:3: web\.procesess: unknown key; did you mean processes\?/,
      /web\.https: a certificate and its key are missing/,
      /web\.http: there is no shared-socket number 3; there are 0/,
      /web\.chmod-socket: expected octal permissions/,
      /web\.hook-master-start: expected a signal/,
      /web\.farm: expected a farm/,
      /web\.zerg: the path of the socket is \d+ bytes long/,
      /web\.stats: expected an address/,
    ])
      expect(found).to.match(expected);
  });

  it("name a farm of workflows as not used, and any other that has nothing to do with jobs as a fault", () => {
    const web = load("web: {mules: 2, farm: ['job-handlers:1', 'workflow-schedulers:2']}\n");
    expect(web.tree.farms).to.deep.equal([{ name: "job-handlers", mules: [1] }]);
    expect(faults("web: {mule: m, farm: 'jobs:1'}\n")).to.match(/jobs is not a pool of job handlers/);
  });

  it("refuse an implied administrator behind a socket or a pool that others may reach", () => {
    for (const option of ["socket: /run/g/w", "zerg: /run/g/p", "zerg-pool: '/run/g/p::80'"])
      expect(folder.faults({ "galaxy.yml": `web: {${option}}\n` }).join("\n")).to.match(
        /would be the administrator/,
      );
  });
});
