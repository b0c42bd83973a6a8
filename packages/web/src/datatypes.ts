import { open } from "node:fs/promises";

/** What a browser is told about a datatype's content. Anything it could run, or that is not known, is downloaded as bytes. */
const contentTypes: Readonly<Record<string, string>> = {
  txt: "text/plain",
  tabular: "text/plain",
  tsv: "text/plain",
  csv: "text/plain",
  bed: "text/plain",
  fasta: "text/plain",
  fastq: "text/plain",
  gff: "text/plain",
  gtf: "text/plain",
  vcf: "text/plain",
  sam: "text/plain",
  json: "application/json",
  png: "image/png",
  jpg: "image/jpeg",
  gif: "image/gif",
};

const byFileName: Readonly<Record<string, string>> = {
  txt: "txt",
  text: "txt",
  log: "txt",
  tsv: "tabular",
  tab: "tabular",
  csv: "csv",
  bed: "bed",
  fa: "fasta",
  fasta: "fasta",
  fq: "fastq",
  fastq: "fastq",
  gff: "gff",
  gff3: "gff3",
  gtf: "gtf",
  vcf: "vcf",
  sam: "sam",
  bam: "bam",
  json: "json",
  gz: "gz",
  zip: "zip",
  tar: "tar",
  html: "html",
  htm: "html",
  svg: "svg",
  xml: "xml",
  pdf: "pdf",
  png: "png",
  jpg: "jpg",
  jpeg: "jpg",
  gif: "gif",
};

/** @returns the content type, and whether a browser may show it */
export function contentOf(extension: string): { readonly type: string; readonly inline: boolean } {
  const type = contentTypes[extension];
  return type === undefined
    ? { type: "application/octet-stream", inline: false }
    : { type: type.startsWith("text/") ? `${type}; charset=utf-8` : type, inline: true };
}

/** A client's file name as a dataset's name: its last part, without control characters, 255 characters at most. */
export function displayName(fileName: string): string {
  const last = fileName.split(/[/\\]/).at(-1) ?? "";
  const clean = last.replaceAll(/[\u0000-\u001f\u007f]/g, " ").trim();
  return Array.from(clean === "" || clean === "." || clean === ".." ? "Unnamed dataset" : clean)
    .slice(0, 255)
    .join("");
}

/** The datatype of a file, by its content where that is telling, else by its name. */
export async function sniffExtension(path: string, name: string): Promise<string> {
  const file = await open(path, "r");
  try {
    const buffer = Buffer.alloc(8_192);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    const head = buffer.subarray(0, bytesRead);
    const named = byFileName[/\.([A-Za-z0-9]+)$/.exec(name)?.[1]?.toLowerCase() ?? ""];
    if (head[0] === 0x1f && head[1] === 0x8b) return "gz";
    if (named !== undefined) return named;
    return head.includes(0) ? "data" : sniffText(head.toString("utf8"));
  } finally {
    await file.close();
  }
}

function sniffText(head: string): string {
  if (/^\s*<(!doctype\s+html|html)\b/i.test(head)) return "html";
  if (/^>\S/.test(head)) return "fasta";
  if (/^@\S.*\n[A-Za-z.*-]+\n\+/.test(head)) return "fastq";
  const lines = head
    .split("\n")
    .slice(0, -1)
    .filter((line) => line !== "" && !line.startsWith("#"));
  const widths = new Set(lines.map((line) => line.split("\t").length));
  if (lines.length > 0 && widths.size === 1 && !widths.has(1)) {
    return lines.every((line) => /^\S+\t\d+\t\d+(\t|$)/.test(line)) ? "bed" : "tabular";
  }
  return "txt";
}
