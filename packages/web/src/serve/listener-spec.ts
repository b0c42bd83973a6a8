export type {
  ListenerAddress,
  ListenerProtocol,
  ListenerSpec,
  TcpAddress,
  UnixAddress,
} from "@galaxy-jobs/runtime";
