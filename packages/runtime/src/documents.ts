/** How files are read and their faults told: an entry of its own, for a thread that needs nothing else of this package. */
export type { Fault } from "./faults.ts";
export { parseYaml } from "./yaml-document.ts";
export type { DocumentPath, Position, PositionedDocument } from "./yaml-document.ts";
export { zodFaults } from "./zod-faults.ts";
