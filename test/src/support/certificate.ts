import { execFileSync } from "node:child_process";
import { join } from "node:path";

/** True if the program that makes certificates is there. */
export function hasOpenssl(): boolean {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** A self-signed certificate for localhost and its key, as files. `days` 0: it has expired. */
export function makeCertificate(
  folder: string,
  name: string,
  days = 1,
): { certificate: string; key: string } {
  const [certificate, key, request] = ["crt", "key", "csr"].map((ending) =>
    join(folder, `${name}.${ending}`),
  );
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "pipe", timeout: 20_000 });
  openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", key!, "-out", request!, "-subj", `/CN=${name}`);
  openssl("x509", "-req", "-in", request!, "-signkey", key!, "-out", certificate!, "-days", String(days));
  return { certificate: certificate!, key: key! };
}
