// What LibreChat's server does with files, with the packages that it does it with.
//
//   node librechat.cjs SET       a request a line in, an answer a line out, as drive.cjs
const path = require('node:path');
const readline = require('node:readline');
const { Readable } = require('node:stream');
const { createRequire } = require('node:module');

const load = createRequire(path.join(process.argv[2], 'package.json'));
const FormData = load('form-data');
const axios = load('axios'); // A dependency of the clients, which the lock file pins.

// What comes is handed on as it is: the tests look at the status, and at the text.
const AS_IT_IS = { validateStatus: () => true, responseType: 'text', transformResponse: (text) => text };

const OPERATIONS = {
  // `fields` first and the files last, as streams: the order in which LibreChat writes a form.
  async upload({ url, headers, fields, files, knownLength }) {
    const form = new FormData();
    for (const [name, value] of fields) form.append(name, value);
    for (const { name, text } of files) {
      const bytes = Buffer.from(text, 'utf8');
      const options = knownLength ? { filename: name, knownLength: bytes.length } : { filename: name };
      if (name.includes('/')) options.filepath = name;
      form.append('file', Readable.from(bytes.length ? [bytes] : []), options);
    }
    const sent = {
      ...form.getHeaders(),
      'Content-Type': 'multipart/form-data', // LibreChat says it twice, here without a boundary.
      'User-Agent': 'LibreChat/1.0',
      ...headers,
    };
    const answer = await axios.post(url, form, { ...AS_IT_IS, headers: sent });
    return { status: answer.status, text: answer.data };
  },

  async request({ url, method = 'GET', headers }) {
    const sent = { 'User-Agent': 'LibreChat/1.0', ...headers };
    const answer = await axios({ ...AS_IT_IS, url, method, headers: sent });
    return { status: answer.status, headers: { ...answer.headers }, text: answer.data };
  },

  // How old LibreChat takes an object for: it uploads again what is 23 hours old, or no date.
  hoursSince: ({ date }) => (Date.now() - new Date(date).getTime()) / 3_600_000,
};

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    let answer;
    try {
      answer = { result: await OPERATIONS[request.op](request) };
    } catch (error) {
      answer = { error: String(error.message ?? error) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
})();
