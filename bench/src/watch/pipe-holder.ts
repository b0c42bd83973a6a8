import { closeSync, constants, openSync } from "node:fs";
import { answer, onAsk } from "../script.ts";

/** Stands for many supervisors: holds the reading ends of their pipes, by which a handler sees that a run is under way. */
export interface PipeHolderAsk {
  readonly pipes: readonly string[];
}

const held: number[] = [];

onAsk<PipeHolderAsk>(({ pipes }) => {
  for (const pipe of pipes) held.push(openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK));
  answer({ held: held.length });
});

process.once("SIGTERM", () => {
  for (const descriptor of held) closeSync(descriptor);
  process.exit(0);
});
