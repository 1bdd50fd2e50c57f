// Node takes a file with `import` or a top-level `await` for a module, which has no `require`;
// programs use both in one file.
const { createRequire } = require('node:module');
globalThis.require ??= createRequire(`${process.cwd()}/`);
