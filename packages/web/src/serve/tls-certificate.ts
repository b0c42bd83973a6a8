import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext, type SecureContext } from "node:tls";

export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
}

export interface TlsIdentity {
  readonly context: SecureContext;
  readonly validTo: Date;
}

/**
 * Reads a certificate (with its chain) and its key, and checks what would otherwise show only when a client connects.
 * @throws Error that names the file and the remedy
 */
export function loadTlsIdentity(files: TlsFiles, now: Date = new Date()): TlsIdentity {
  const cert = read("certificate", files.certificate);
  const key = read("key", files.key);
  const certificate = parseCertificate(cert, files.certificate);
  const privateKey = parseKey(key, files.key);
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new Error(
      `the key ${files.key} is not that of the certificate ${files.certificate}; name the two files that were issued together`,
    );
  }
  const validTo = new Date(certificate.validTo);
  if (validTo <= now) {
    throw new Error(
      `the certificate ${files.certificate} expired at ${validTo.toISOString()}; renew it, then reload`,
    );
  }
  const validFrom = new Date(certificate.validFrom);
  if (validFrom > now) {
    throw new Error(
      `the certificate ${files.certificate} is valid only from ${validFrom.toISOString()}; check this host's clock`,
    );
  }
  try {
    return { context: createSecureContext({ cert, key }), validTo };
  } catch (error) {
    throw new Error(
      `the certificate ${files.certificate} cannot be used for TLS (${reason(error)}); is its chain in PEM form, its key 2048 bits or more?`,
      { cause: error },
    );
  }
}

function read(what: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const remedy =
      code === "ENOENT"
        ? "there is no such file; correct its path"
        : code === "EACCES"
          ? "permission denied; make it readable for the user that starts the web tier"
          : reason(error);
    throw new Error(`cannot read the TLS ${what} ${file}: ${remedy}`, { cause: error });
  }
}

function parseCertificate(cert: Buffer, file: string): X509Certificate {
  try {
    return new X509Certificate(cert);
  } catch (error) {
    throw new Error(`${file} is no certificate in PEM form; it must begin with -----BEGIN CERTIFICATE-----`, {
      cause: error,
    });
  }
}

function parseKey(key: Buffer, file: string): KeyObject {
  try {
    return createPrivateKey(key);
  } catch (error) {
    const encrypted = key.includes("ENCRYPTED");
    throw new Error(
      encrypted
        ? `the key ${file} is protected by a passphrase, which nobody could enter at a restart; write it without (openssl pkey -in … -out …)`
        : `${file} is no private key in PEM form`,
      { cause: error },
    );
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
