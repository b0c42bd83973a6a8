import type { RequestListener } from "node:http";
import type { GalaxyConfig, ListenerSpec, Logger } from "@galaxy-jobs/runtime";
import { Connections } from "./connections.ts";
import { TrustedProxies } from "./forwarded.ts";
import { staticMap } from "./static-map.ts";

/**
 * The connections of one web process, as its configuration says: static files before the application, whose word is believed
 * about clients, and limits.
 * @throws Error that names a certificate, a folder or an address that cannot be used
 */
export function makeConnections(
  { web }: GalaxyConfig,
  parts: {
    readonly app: RequestListener;
    readonly listeners: readonly ListenerSpec[];
    readonly logger: Logger;
  },
): Connections {
  const { staticMaps, staticIndex, trustedProxies, uwsgiBufferBytes } = web;
  return new Connections({
    ...parts,
    app: staticMaps.length === 0 ? parts.app : before(staticMap(staticMaps, staticIndex), parts.app),
    ...(trustedProxies === undefined ? {} : { trustedProxies: new TrustedProxies(trustedProxies) }),
    ...(uwsgiBufferBytes === undefined ? {} : { limits: { uwsgiBufferBytes } }),
  });
}

function before(files: ReturnType<typeof staticMap>, app: RequestListener): RequestListener {
  return (request, response) => files(request, response, () => app(request, response));
}
