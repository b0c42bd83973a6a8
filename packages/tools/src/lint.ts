/** The reader of tools' files, which is their linter: an entry of its own, since it takes more memory than all the rest. */
export { parseTool, type ParsedTool } from "./parse-tool.ts";
