import { readFileSync } from "node:fs";

/**
 * A template with its `{{names}}` replaced.
 * @throws Error for a template that wants a value which there is not
 */
export function fillTemplate(template: string, values: Readonly<Record<string, string>>): string {
  const text = readFileSync(new URL(`../../templates/${template}`, import.meta.url), "utf8");
  return text.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`the template ${template} wants ${name}`);
    return value;
  });
}
