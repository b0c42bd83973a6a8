/**
 * The one lifecycle contract. `start` resolves when the service works, `stop` when nothing of it runs any more.
 * Stop before start and a double stop are harmless.
 */
export interface Service {
  readonly name: string;
  start(): Promise<void>;
  stop(): Promise<void>;
}
