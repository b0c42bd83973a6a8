import { isIP, type Socket } from "node:net";
import { localPeer, plainAddress, type Peer } from "./forwarded.ts";

/** The longest line of version 1, its line end included. */
const longest = 107;

/**
 * Reads the PROXY line (version 1) that the owner of a zerg pool writes before the client's first byte; the rest stays
 * in the socket, which is paused afterwards.
 * @param deadline ms
 * @returns the client as the line names it; for UNKNOWN, a process of this host. Undefined if there is no such line:
 *   the socket is destroyed then
 */
export function readProxyHeader(socket: Socket, deadline: number): Promise<Peer | undefined> {
  return new Promise((resolve) => {
    let received: Buffer = Buffer.alloc(0);
    const settle = (peer: Peer | undefined) => {
      clearTimeout(timer);
      socket.off("data", take).off("close", gone).off("error", gone).pause();
      if (peer === undefined) socket.destroy();
      resolve(peer);
    };
    const gone = () => settle(undefined);
    const take = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const end = received.subarray(0, longest).indexOf("\r\n");
      if (end === -1) {
        if (received.length >= longest) settle(undefined);
        return;
      }
      const peer = parseProxyLine(received.toString("latin1", 0, end));
      settle(peer);
      if (peer !== undefined && received.length > end + 2) socket.unshift(received.subarray(end + 2));
    };
    const timer = setTimeout(gone, deadline);
    socket.on("data", take).once("close", gone).once("error", gone).resume();
  });
}

/** @returns undefined for a line that is none */
export function parseProxyLine(line: string): Peer | undefined {
  if (/^PROXY UNKNOWN( |$)/.test(line)) return localPeer;
  const match = /^PROXY TCP([46]) (\S+) (\S+) (\d{1,5}) (\d{1,5})$/.exec(line);
  if (match === null) return undefined;
  const [, family, source = "", target = "", sourcePort, targetPort] = match;
  if (isIP(source) !== Number(family) || isIP(target) !== Number(family)) return undefined;
  if (Number(sourcePort) > 65_535 || Number(targetPort) > 65_535) return undefined;
  return { address: plainAddress(source), port: Number(sourcePort), trusted: false };
}

/** The line to write before the bytes of a client. */
export function proxyLine(socket: Socket): string {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (remoteAddress === undefined || localAddress === undefined) return "PROXY UNKNOWN\r\n";
  const [from, to] = [plainAddress(remoteAddress), plainAddress(localAddress)];
  const family = isIP(from);
  if (family === 0 || isIP(to) !== family) return "PROXY UNKNOWN\r\n";
  return `PROXY TCP${family} ${from} ${to} ${remotePort ?? 0} ${localPort ?? 0}\r\n`;
}
