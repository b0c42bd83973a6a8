/** There is no safe way to put a result where this expression stands. */
export class UnsafePlaceError extends Error {
  override readonly name = "UnsafePlaceError";
}
