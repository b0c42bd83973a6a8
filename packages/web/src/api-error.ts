/** An answer that is an error, in Galaxy's shape (galaxy.md 6.1): `code` is the status times 1000 plus a number. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly code: number;
  /** For faulty inputs: flat name → what is wrong. */
  readonly data: Record<string, string> | undefined;

  constructor(code: number, message: string, data?: Record<string, string>) {
    super(message);
    this.status = Math.floor(code / 1000);
    this.code = code;
    this.data = data;
  }
}

export const codes = {
  invalid: 400008,
  missing: 400007,
  malformedId: 400009,
  badKey: 401001,
  keyNeeded: 403001,
  noAccess: 403002,
  adminOnly: 403006,
  crossSite: 403004,
  notFound: 404001,
  methodNotAllowed: 405001,
  conflict: 409001,
  tooLarge: 413001,
  unsupportedType: 415001,
  rangeOutside: 416001,
  misdirected: 421001,
  tooManyRequests: 429001,
  internal: 500001,
  assignmentFailed: 500002,
  unavailable: 503001,
  noSpace: 507001,
} as const;
