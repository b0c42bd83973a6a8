import type { MetricsReport } from "./metrics-messages.ts";
import type { TreeState } from "./tree-state.ts";

/** What the master knows and its workers do not, in the form of their reports: sockets, farms, and every process. */
export function treeMetrics(state: TreeState): MetricsReport {
  const { serverName, masterRss, workers, mules, sockets, farms } = state;
  const children = [...workers, ...mules];
  return [
    gauge("galaxy_process_resident_memory_bytes", "Memory of each process of the web tier", [
      [{ process: serverName }, masterRss],
      ...children.map((child): Value => [{ process: child.serverName }, child.rss]),
    ]),
    gauge(
      "galaxy_process_respawns",
      "How often a process was started in each place of the web tier",
      children.map((child) => [{ process: child.serverName }, child.respawns]),
    ),
    gauge(
      "galaxy_worker_requests",
      "Requests answered by each present worker",
      workers.map((worker) => [{ process: worker.serverName }, worker.requests]),
    ),
    gauge(
      "galaxy_socket_queue",
      "Connections that wait for a worker",
      sockets.map(({ address, queue }) => [{ socket: address }, queue]),
    ),
    gauge(
      "galaxy_farm_messages_waiting",
      "Messages that no mule has taken yet",
      farms.map(({ name, waiting }) => [{ farm: name }, waiting]),
    ),
  ];
}

type Value = [labels: Readonly<Record<string, string>>, value: number];

function gauge(name: string, help: string, values: readonly Value[]): MetricsReport[number] {
  // The metrics library is not loaded here: this is what it makes of a gauge.
  return {
    name,
    help,
    type: "gauge",
    aggregator: "first",
    values: values.map(([labels, value]) => ({ labels, value })),
  } as unknown as MetricsReport[number];
}
