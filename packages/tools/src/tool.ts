import type { ToolInput, ToolOutput, UserToolSource } from "./tool-source.ts";

/** A tool as it was read from its file. */
export interface Tool {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly file: string;
  /** The file's text. */
  readonly text: string;
  readonly source: UserToolSource;
  readonly inputs: readonly ToolInput[];
  readonly outputs: readonly ToolOutput[];
}
