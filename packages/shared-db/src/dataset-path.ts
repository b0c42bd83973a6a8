import { join } from "node:path";

/**
 * Where the file of a dataset lies below `file_path`: by uuid, three levels deep as Galaxy's object store (store_by: uuid).
 * @param root an absolute path
 */
export function datasetPath(root: string, uuid: string): string {
  return join(root, uuid.slice(0, 1), uuid.slice(1, 2), uuid.slice(2, 3), `dataset_${uuid}.dat`);
}
