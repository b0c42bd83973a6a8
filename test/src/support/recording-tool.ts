/** A tool, as its file: it leaves its run directory in `folder/record`, and runs a command. */
export function recordingTool(id: string, folder: string, command: string): string {
  return `class: GalaxyUserTool
id: ${id}
name: ${id}
version: "1.0"
shell_command: dirname "$PWD" >> ${folder}/record; ${command}
inputs: []
outputs: []
`;
}
