/**
 * Splits a text into words as a shell would: blanks, quotes and backslashes. Nothing is expanded; the words become arguments of
 * a program and never see a shell.
 * @returns undefined when a quote is not closed or a backslash stands at the end
 */
export function shellWords(text: string): string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at]!;
    const escapes = quote === "" || (quote === '"' && '"\\$`\n'.includes(text[at + 1] ?? ""));
    if (character === "\\" && escapes) {
      if (at + 1 >= text.length) return undefined;
      at += 1;
      word = (word ?? "") + text[at]!;
    } else if (quote === "" && (character === '"' || character === "'")) {
      quote = character;
      word ??= "";
    } else if (character === quote) {
      quote = "";
    } else if (quote === "" && /\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? "") + character;
    }
  }
  if (quote !== "") return undefined;
  if (word !== undefined) words.push(word);
  return words;
}
