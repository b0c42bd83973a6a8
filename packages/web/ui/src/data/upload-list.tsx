import { sizeText } from "../sizes-and-times.tsx";
import { Icon } from "../shell/icon.tsx";
import { cancelUpload, type Upload } from "./uploads.ts";

export function UploadList({ uploads }: { uploads: readonly Upload[] }) {
  if (uploads.length === 0) return null;
  return (
    <ul class="uploads" aria-label="Uploads">
      {uploads.map((each) => (
        <li key={each.key} data-status={each.status}>
          <span class="upload-name">{each.name}</span>
          <span class="quiet" role="status">
            {wordsFor(each)}
          </span>
          {each.status === "sending" ? (
            <progress max={Math.max(1, each.size)} value={each.sent} aria-label={`Sending ${each.name}`} />
          ) : null}
          {each.status === "sending" || each.status === "waiting" ? (
            <button
              type="button"
              class="icon-button"
              aria-label={`Cancel the upload of ${each.name}`}
              onClick={() => cancelUpload(each.key)}
            >
              <Icon name="cancel" />
            </button>
          ) : null}
        </li>
      ))}
    </ul>
  );
}

function wordsFor(upload: Upload): string {
  if (upload.status === "failed") return upload.problem ?? "failed";
  if (upload.status === "done") return `uploaded, ${sizeText(upload.size)}`;
  if (upload.status === "sending") return sizeText(upload.size);
  return upload.status;
}
