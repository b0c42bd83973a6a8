/** What a command left. */
export interface CommandResult {
  /** Null: it was ended, by the time-out or a signal. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** ms; then the command is ended. */
  readonly timeout: number;
  readonly signal?: AbortSignal;
  /** What the command reads; absent: nothing. */
  readonly input?: string;
}

/** The machine on which a cluster's commands are run, however it is reached. */
export interface CommandShell {
  /** For messages: empty, or ` on HOST`. */
  readonly where: string;
  /**
   * Runs a command; its arguments are passed as they are, whatever they hold.
   * @returns also when it failed
   * @throws UnreachableError when the machine or the program cannot be reached
   */
  run(command: readonly string[], options: CommandOptions): Promise<CommandResult>;
  close(): Promise<void>;
}

export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
  /** Whether another try may help. */
  readonly passing: boolean;
  constructor(message: string, passing: boolean) {
    super(message);
    this.passing = passing;
  }
}
