export { adviseOn, type Advice, type DatabaseHealth } from "./database-advice.ts";
