/** What one client may take of the web tier. All times in ms. */
export interface ConnectionLimits {
  /** From the connection, or the first byte of a request, to the end of its headers. */
  readonly headersTimeout: number;
  /** Bytes of the head of an HTTP request; more is answered with 431. */
  readonly headerBytes: number;
  /** Bytes of the variables of a uwsgi request (uWSGI's `buffer-size`), 65535 at most. */
  readonly uwsgiBufferBytes: number;
  /** A connection without a request is kept this long. */
  readonly keepAliveTimeout: number;
  /** A connection on which nothing moves, also while a request is under way. */
  readonly idleTimeout: number;
  /** A body must bring `bodyBytes` in each `bodyWindow`; there is no limit on the whole, since uploads may take long. */
  readonly bodyWindow: number;
  readonly bodyBytes: number;
  /** How often slow clients are looked for. */
  readonly sweepInterval: number;
}

export const DEFAULT_LIMITS: ConnectionLimits = {
  headersTimeout: 20_000,
  headerBytes: 16_384,
  uwsgiBufferBytes: 65_535,
  keepAliveTimeout: 20_000,
  idleTimeout: 300_000,
  bodyWindow: 20_000,
  bodyBytes: 10_000,
  sweepInterval: 1_000,
};
