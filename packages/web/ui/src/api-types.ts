/** The parts of the API's answers that the page reads. Fields that older servers lack are optional. */

export interface ToolSummary {
  readonly id: string;
  readonly name: string;
  readonly version?: string;
  readonly description?: string | null;
  readonly panel_section_name?: string | null;
  readonly hidden?: boolean;
}

export interface ToolInput {
  readonly name: string;
  readonly type: string;
  readonly label?: string | null;
  readonly title?: string | null;
  readonly help?: string | null;
  readonly optional?: boolean;
  readonly value?: unknown;
  readonly hidden?: boolean;
  readonly multiple?: boolean;
  readonly min?: number | string | null;
  readonly max?: number | string | null;
  readonly display?: string | null;
  readonly area?: boolean;
  readonly truevalue?: string | null;
  readonly placeholder?: string | null;
  readonly extensions?: readonly string[];
  readonly options?:
    | readonly (readonly [label: string, value: string, selected?: boolean])[]
    | Record<string, unknown>;
  readonly test_param?: ToolInput;
  readonly cases?: readonly { readonly value: string; readonly inputs: readonly ToolInput[] }[];
  readonly inputs?: readonly ToolInput[];
  readonly default?: number;
  readonly expanded?: boolean;
}

export interface Citation {
  readonly type?: string;
  readonly content?: string;
}

export interface Tool extends ToolSummary {
  readonly inputs: readonly ToolInput[];
  readonly help?: string | { readonly content?: string; readonly format?: string } | null;
  readonly citations?: readonly (Citation | string)[] | boolean | null;
}

export interface Job {
  readonly id: string;
  readonly tool_id: string;
  readonly tool_version?: string | null;
  readonly state: string;
  readonly exit_code?: number | null;
  readonly create_time: string;
  readonly update_time: string;
  readonly info?: string | null;
}

export interface DatasetRef {
  readonly id: string;
  readonly src?: string;
}

export interface JobMessage {
  readonly desc?: string | null;
  readonly type?: string;
  readonly code_desc?: string | null;
}

export interface StateEntry {
  readonly state: string;
  readonly create_time: string;
  readonly message?: string | null;
}

export interface FullJob extends Job {
  readonly command_line?: string | null;
  readonly handler?: string | null;
  readonly inputs?: Record<string, DatasetRef>;
  readonly outputs?: Record<string, DatasetRef>;
  readonly tool_stdout?: string | null;
  readonly tool_stderr?: string | null;
  readonly stdout?: string | null;
  readonly stderr?: string | null;
  readonly job_messages?: readonly (JobMessage | string)[] | null;
  readonly start_time?: string | null;
  readonly end_time?: string | null;
  readonly state_history?: readonly StateEntry[];
}

export interface Dataset {
  readonly id: string;
  readonly hid?: number;
  readonly name: string;
  readonly state: string;
  readonly extension?: string;
  readonly file_ext?: string;
  readonly file_size?: number | null;
  readonly peek?: string | null;
  readonly misc_info?: string | null;
  readonly create_time?: string;
  readonly deleted?: boolean;
  readonly creating_job?: string | null;
}

export interface User {
  readonly id?: string;
  readonly username?: string;
  readonly email?: string;
  readonly is_admin?: boolean;
}
