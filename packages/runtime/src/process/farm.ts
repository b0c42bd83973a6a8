/** The other end of a member's channel, whatever carries it: a child's IPC, a socket. */
export interface FarmMember {
  readonly name: string;
  /** @throws when the channel is closed */
  send(envelope: FarmEnvelope): void;
}

/** A message on its way to a member, which answers with `FarmReceipt` when it has taken it. */
export interface FarmEnvelope {
  readonly farmMessage: number;
  readonly content: unknown;
}

export interface FarmReceipt {
  readonly farmReceipt: number;
}

export function isFarmEnvelope(message: unknown): message is FarmEnvelope {
  return typeof message === "object" && message !== null && "farmMessage" in message && "content" in message;
}

export function isFarmReceipt(message: unknown): message is FarmReceipt {
  return typeof message === "object" && message !== null && "farmReceipt" in message;
}

interface Pending {
  readonly number: number;
  readonly content: unknown;
}

/**
 * A named group of processes of which any may take a message: each message goes to one idle, living member (galaxy.md 1.7). A
 * member is busy until it has answered. A message whose member ends before that goes to another; while there is none, messages
 * wait.
 */
export class Farm {
  readonly name: string;
  readonly #idle: FarmMember[] = [];
  readonly #busy = new Map<FarmMember, Pending>();
  readonly #waiting: Pending[] = [];
  #sent = 0;

  constructor(name: string) {
    this.name = name;
  }

  get members(): number {
    return this.#idle.length + this.#busy.size;
  }

  /** Messages that no member has taken yet. */
  get waiting(): number {
    return this.#waiting.length + this.#busy.size;
  }

  add(member: FarmMember): void {
    this.#idle.push(member);
    this.#deliver();
  }

  /** The member has ended, or its channel has. */
  remove(member: FarmMember): void {
    const pending = this.#busy.get(member);
    this.#busy.delete(member);
    const index = this.#idle.indexOf(member);
    if (index !== -1) this.#idle.splice(index, 1);
    if (pending !== undefined) this.#waiting.unshift(pending);
    this.#deliver();
  }

  /** What a member sent. Receipts of messages that it no longer has are passed over. */
  received(member: FarmMember, { farmReceipt }: FarmReceipt): void {
    if (this.#busy.get(member)?.number !== farmReceipt) return;
    this.#busy.delete(member);
    this.#idle.push(member);
    this.#deliver();
  }

  send(content: unknown): void {
    this.#sent += 1;
    this.#waiting.push({ number: this.#sent, content });
    this.#deliver();
  }

  #deliver(): void {
    while (this.#idle.length > 0 && this.#waiting.length > 0) {
      const member = this.#idle.shift()!;
      const pending = this.#waiting.shift()!;
      this.#busy.set(member, pending);
      try {
        member.send({ farmMessage: pending.number, content: pending.content });
      } catch {
        // Its channel has closed; its end is about to be told.
        this.#busy.delete(member);
        this.#waiting.unshift(pending);
      }
    }
  }
}
