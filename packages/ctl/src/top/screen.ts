import type { ReadStream, WriteStream } from "node:tty";

const enter = "\u001b[?1049h\u001b[?25l";
const leave = "\u001b[?25h\u001b[?1049l";

/** The terminal while `top` has it: the alternate screen, keys one by one. What was there before comes back at `close`. */
export class Screen {
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  readonly #onKey: (data: Buffer) => void;
  readonly #onResize: () => void;
  #lines: readonly string[] = [];
  #closed = false;

  /** @param onKey a key, as its text */
  constructor(input: ReadStream, output: WriteStream, onKey: (key: string) => void) {
    this.#input = input;
    this.#output = output;
    this.#onKey = (data) => onKey(data.toString());
    this.#onResize = () => this.show(this.#lines);
    output.write(enter);
    // Without a terminal at the input (a pipe) there are no keys; signals still end it.
    if (input.isTTY) input.setRawMode(true).on("data", this.#onKey).resume();
    output.on("resize", this.#onResize);
  }

  show(lines: readonly string[]): void {
    this.#lines = lines;
    if (this.#closed) return;
    // A terminal that does not know its size says 0.
    const [columns, rows] = [this.#output.columns || 80, this.#output.rows || 24];
    const shown = lines.length > rows ? [...lines.slice(0, rows - 1), "… (the window is too small)"] : lines;
    const text = shown.map((line) => `${Array.from(line).slice(0, columns).join("")}\u001b[K`).join("\n");
    this.#output.write(`\u001b[H${text}\u001b[J`);
  }

  close(): void {
    this.#closed = true;
    this.#output.off("resize", this.#onResize);
    if (this.#input.isTTY) this.#input.setRawMode(false).off("data", this.#onKey).pause();
    this.#output.write(leave);
  }
}
