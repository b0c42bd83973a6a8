import Table from "cli-table3";

/** Prints rows as a table for people, or as JSON with `--json`. */
export function printRows<Row extends object>(
  rows: readonly Row[],
  columns: readonly { readonly title: string; readonly value: (row: Row) => unknown }[],
  json: boolean,
): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`);
    return;
  }
  if (rows.length === 0) {
    process.stdout.write("none\n");
    return;
  }
  const table = new Table({
    head: columns.map(({ title }) => title),
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) table.push(columns.map(({ value }) => cell(value(row))));
  process.stdout.write(`${table.toString()}\n`);
}

/** A text of users or tools cannot move the cursor of an administrator's terminal. */
export function cell(value: unknown): string {
  if (value === null || value === undefined) return "";
  const text = value instanceof Date ? value.toISOString().slice(0, 19) : String(value as string | number);
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, " ");
}
