import { parentPort, workerData } from "node:worker_threads";
import { readTools } from "./read-tools.ts";

/** The thread of `loadToolBox`: reads the tools, sends them, ends. */
parentPort!.postMessage(await readTools(workerData as readonly string[]));
