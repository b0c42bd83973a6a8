import { setFlagsFromString } from "node:v8";

/*
 * What loads a program survives for a while, and V8 takes that as a sign to let the heap's young generation grow, to 16 MB, which
 * an idle handler then never gives back. So it stays as it begins (1 MB) while the handler starts, and may grow later, under load.
 * The factor is read whenever it would grow; no heap has to be made anew for it. The program imports this module before all others.
 */
setFlagsFromString("--semi-space-growth-factor=1");

/** The handler has started: from now on V8 decides, as it does by default. */
export function letYoungGenerationGrow(): void {
  setFlagsFromString("--semi-space-growth-factor=2");
}
