/** PostgreSQL error codes that we expect somewhere, by name. Meaning: the manual's appendix "PostgreSQL Error Codes". */
export const sqlState = {
  uniqueViolation: "23505",
  foreignKeyViolation: "23503",
  checkViolation: "23514",
  serializationFailure: "40001",
  deadlockDetected: "40P01",
  lockNotAvailable: "55P03",
  undefinedTable: "42P01",
  duplicateDatabase: "42P04",
  invalidCatalogName: "3D000",
  invalidPassword: "28P01",
  invalidAuthorization: "28000",
  adminShutdown: "57P01",
  crashShutdown: "57P02",
  cannotConnectNow: "57P03",
  tooManyConnections: "53300",
  queryCanceled: "57014",
} as const;

/** Codes of the operating system and of postgres.js for a connection that could not be made or was lost. */
const connectionLost = new Set<string>([
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOENT",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EAI_AGAIN",
  "CONNECT_TIMEOUT",
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "CONNECTION_ENDED",
  sqlState.adminShutdown,
  sqlState.crashShutdown,
  sqlState.cannotConnectNow,
  sqlState.tooManyConnections,
]);

/** Errors of one attempt that the same statement, tried again, may not meet. */
const passing = new Set<string>([
  sqlState.serializationFailure,
  sqlState.deadlockDetected,
  sqlState.lockNotAvailable,
]);

/** The SQLSTATE or system code of an error of the database layer, if it has one. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const code: unknown = (error as { code?: unknown }).code;
  return typeof code === "string" ? code : undefined;
}

/** True when the database could not be reached or went away: whatever was asked may be asked again later. */
export function isConnectionError(error: unknown): boolean {
  const code = errorCode(error);
  return code !== undefined && (connectionLost.has(code) || code.startsWith("08"));
}

/** True when the statement lost against a concurrent one and may be run again at once. */
export function isPassingConflict(error: unknown): boolean {
  const code = errorCode(error);
  return code !== undefined && passing.has(code);
}
