import { useRef, useState } from "preact/hooks";
import { Icon } from "../shell/icon.tsx";

interface Props {
  readonly multiple: boolean;
  readonly label: string;
  readonly compact?: boolean;
  onFiles(files: readonly File[]): void;
}

/** A place to drop files on; the button in it does the same with a keyboard or a finger. */
export function DropZone({ multiple, label, compact = false, onFiles }: Props) {
  const [over, setOver] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const take = (list: FileList | null | undefined) => {
    const files = [...(list ?? [])];
    if (files.length > 0) onFiles(multiple ? files : files.slice(0, 1));
  };
  return (
    <div
      class={`drop${over ? " over" : ""}${compact ? " compact" : ""}`}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        take(event.dataTransfer?.files);
      }}
    >
      <input
        ref={field}
        class="visually-hidden"
        type="file"
        multiple={multiple}
        tabIndex={-1}
        aria-label={label}
        onChange={(event) => {
          take(event.currentTarget.files);
          event.currentTarget.value = "";
        }}
      />
      <button
        type="button"
        class={compact ? "button small" : "button"}
        onClick={() => field.current?.click()}
      >
        <Icon name="upload" /> {multiple ? "Choose files" : "Upload a file"}
      </button>
      <span class="quiet drop-words">or drop {multiple ? "them" : "it"} here</span>
    </div>
  );
}
