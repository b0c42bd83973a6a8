import { useEffect, useState } from "preact/hooks";
import { wordsOf } from "../api.ts";
import { Icon } from "../shell/icon.tsx";
import { DropZone } from "./drop-zone.tsx";
import { UploadList } from "./upload-list.tsx";
import { startUpload, uploads, uploadText } from "./uploads.ts";

const PLACE = "upload-page";

export function UploadPage() {
  useEffect(() => {
    document.title = "Add data · galaxy-jobs";
  }, []);
  return (
    <div class="page narrow">
      <h1 data-page-title tabIndex={-1}>
        Add data
      </h1>
      <section class="card">
        <h2>Files</h2>
        <DropZone
          multiple
          label="Files to upload"
          onFiles={(files) => files.forEach((file) => startUpload(file, PLACE))}
        />
        <UploadList uploads={uploads.value.filter((each) => each.place === PLACE)} />
      </section>
      <PasteForm />
      <p>
        <a href="/">Choose a tool</a> or look at <a href="/datasets">your datasets</a>.
      </p>
    </div>
  );
}

function PasteForm() {
  const [name, setName] = useState("");
  const [text, setText] = useState("");
  const [status, setStatus] = useState<{ words: string; bad: boolean }>({ words: "", bad: false });
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (text === "") {
      setStatus({ words: "There is no text to save yet.", bad: true });
      document.getElementById("paste-text")?.focus();
      return;
    }
    setBusy(true);
    try {
      await uploadText(name.trim() === "" ? "Pasted Entry" : name.trim(), text);
      setStatus({ words: `Saved as “${name.trim() === "" ? "Pasted Entry" : name.trim()}”.`, bad: false });
      setText("");
      setName("");
    } catch (error) {
      setStatus({ words: wordsOf(error), bad: true });
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="card" noValidate onSubmit={(event) => void submit(event)}>
      <h2>Paste text</h2>
      <div class="field">
        <label for="paste-name">
          Name<span class="optional"> optional</span>
        </label>
        <input
          id="paste-name"
          type="text"
          autocomplete="off"
          value={name}
          onInput={(event) => setName(event.currentTarget.value)}
        />
      </div>
      <div class="field">
        <label for="paste-text">Text</label>
        <textarea
          id="paste-text"
          rows={7}
          spellcheck={false}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </div>
      <div class="form-end">
        <button type="submit" class="button primary" disabled={busy}>
          <Icon name="add" /> {busy ? "Saving…" : "Save as a dataset"}
        </button>
        <p role="status" class={status.bad ? "field-problem" : "started"}>
          {status.words}
        </p>
      </div>
    </form>
  );
}
