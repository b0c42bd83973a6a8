/**
 * Whether a path is made of letters, digits and `_@%+=:,./-` only, so that it is one word of a shell without quotes, and several
 * of them joined with blanks are as many words. Paths that tools' commands see (datasets, working directories) must be
 * plain, since tools join them unquoted: `$(inputs.files.map((file) => file.path).join(' '))`.
 */
export function isPlainPath(path: string): boolean {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(path) && !path.startsWith("-");
}
