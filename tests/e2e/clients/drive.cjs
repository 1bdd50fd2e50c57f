// Drives one generation of LibreChat's client: a request a line in, an answer a line out.
//
//   node drive.cjs SET VERSION      with LIBRECHAT_CODE_BASEURL, which the client reads on loading
//
// A request is {op, ...}; an answer is {result} or {error}, the text of what was thrown.
const path = require('node:path');
const readline = require('node:readline');
const { createRequire } = require('node:module');

const [folder, version] = process.argv.slice(2);
const load = createRequire(path.join(folder, 'package.json'));
const agents = load(`agents-${version}`);
// The client's own, so that its checks of classes hold.
const fromClient = createRequire(load.resolve(`agents-${version}`));
const { AIMessage } = fromClient('@langchain/core/messages');

const CREATE = {
  code: agents.createCodeExecutionTool,
  bash: agents.createBashExecutionTool,
};
const nodes = new Map();
let calls = 0;

function shown(message) {
  return { content: message.content, artifact: message.artifact ?? null };
}

const OPERATIONS = {
  // One call of a tool, with what LibreChat adds to it in `extra`.
  async call({ tool, options, args, extra = {} }) {
    const made = CREATE[tool](options);
    calls += 1;
    const id = `call_${calls}`;
    return shown(await made.invoke({ type: 'tool_call', id, name: made.name, args, ...extra }));
  },

  // One turn of a conversation: the ToolNode keeps its files for the next.
  async turn({ conversation, options, args, seed = null }) {
    if (!nodes.has(conversation)) {
      const made = CREATE.code(options);
      const sessions = new Map();
      if (seed !== null) sessions.set('execute_code', { ...seed, lastUpdated: Date.now() });
      const toolMap = new Map([[made.name, made]]);
      nodes.set(conversation, { made, node: new agents.ToolNode({ tools: [made], sessions, toolMap }) });
    }
    const { made, node } = nodes.get(conversation);
    calls += 1;
    const asked = { id: `call_${calls}`, name: made.name, args, type: 'tool_call' };
    const state = { messages: [new AIMessage({ content: '', tool_calls: [asked] })] };
    const done = await node.invoke(state, { configurable: { thread_id: conversation } });
    const messages = Array.isArray(done) ? done : done.messages;
    return shown(messages[messages.length - 1]);
  },

  fetchSessionFiles: ({ given }) => agents.fetchSessionFiles(...given),

  pause: ({ milliseconds }) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
};

async function answer(line) {
  const request = JSON.parse(line);
  try {
    return { result: (await OPERATIONS[request.op](request)) ?? null };
  } catch (error) {
    return { error: String(error.message ?? error) };
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
  }
})();
