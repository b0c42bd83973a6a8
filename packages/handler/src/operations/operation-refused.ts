/** An administrator asked for what cannot be done; the message says why and what to do. Nothing was changed. */
export class OperationRefused extends Error {
  override readonly name = "OperationRefused";
  readonly kind: "unknown" | "conflict";
  constructor(kind: "unknown" | "conflict", message: string) {
    super(message);
    this.kind = kind;
  }
}
