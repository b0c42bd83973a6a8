#!/usr/bin/env node
import "../dist/young-generation.js";
await import("../dist/main.js");
