import { render } from "preact";
import { App } from "./app.tsx";
import { applyTheme } from "./shell/theme.ts";
import { startRouter } from "./router.ts";

applyTheme();
startRouter();
const root = document.getElementById("app");
if (root) render(<App />, root);
