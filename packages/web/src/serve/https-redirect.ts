import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";

/** A host name or address, with or without a port; nothing that could end the host part of an address. */
const hostHeader = /^([a-z0-9](?:[a-z0-9._-]{0,252})|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i;

/**
 * Answers everything with the same address under https (uWSGI's `http-to-https`): 301, or 308 where a 301 would turn
 * the method into GET.
 * @param publicPort the port under which clients reach the https listener
 */
export function httpsRedirect(publicPort: number): RequestListener {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const host = hostHeader.exec(request.headers.host ?? "")?.[1];
    const path = pathOf(request.url ?? "/");
    if (host === undefined || path === undefined) {
      response.writeHead(400, { "content-type": "text/plain", connection: "close" });
      response.end("The request does not name a host. This server answers under https only.\n");
      return;
    }
    const port = publicPort === 443 ? "" : `:${publicPort}`;
    const safe = request.method === "GET" || request.method === "HEAD";
    response.writeHead(safe ? 301 : 308, {
      location: `https://${host}${port}${path}`,
      "content-length": 0,
      // A body that nobody reads would keep the connection busy.
      ...(safe ? {} : { connection: "close" }),
    });
    response.end();
  };
}

/** A proxy's absolute form counts with its path only: the host is that of the header. */
function pathOf(target: string): string | undefined {
  if (target.startsWith("/")) return target;
  if (target === "*") return "/";
  if (!URL.canParse(target)) return undefined;
  const { pathname, search } = new URL(target);
  return pathname.startsWith("/") ? `${pathname}${search}` : undefined;
}
