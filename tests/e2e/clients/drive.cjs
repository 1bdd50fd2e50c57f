// Drives one generation of LibreChat's client: a request a line in, an answer a line out.
//
//   node drive.cjs SET VERSION      with LIBRECHAT_CODE_BASEURL, which the client reads on loading
//
// A request is {op, ...}; an answer is {result} or {error}, the text of what was thrown. What the
// client itself has to remark goes to standard error.
const path = require('node:path');
const readline = require('node:readline');
const { createRequire } = require('node:module');

console.log = console.info = console.debug = console.error;

const [folder, version] = process.argv.slice(2);
const load = createRequire(path.join(folder, 'package.json'));
const agents = load(`agents-${version}`);
const main = load.resolve(`agents-${version}`);
// The client's own, so that its checks of classes hold.
const fromClient = createRequire(main);
const { AIMessage } = fromClient('@langchain/core/messages');
const { tool: makeTool } = fromClient('@langchain/core/tools');

// 2.4.46 has it, and uses it, but does not export it.
const { ToolNode } = agents.ToolNode ? agents : load(path.join(path.dirname(main), 'tools/ToolNode.cjs'));

const CREATE = {
  code: agents.createCodeExecutionTool,
  bash: agents.createBashExecutionTool,
  programmatic: agents.createProgrammaticToolCallingTool,
  bash_programmatic: agents.createBashProgrammaticToolCallingTool,
};
const conversations = new Map();
let calls = 0;

// LibreChat gives its token as a function, which a line of JSON cannot hold.
function bearer(token) {
  return async () => ({ Authorization: `Bearer ${token}` });
}

function create(tool, { token, ...options }) {
  return CREATE[tool](token ? { ...options, authHeaders: bearer(token) } : options);
}

function shown(message) {
  return { content: message.content, artifact: message.artifact ?? null };
}

// What a program can call. `rename` is another name for the first.
function toolsOf(rename) {
  const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
  const weather = async ({ city }) => JSON.stringify({ city, temp: 14 });
  const bad = async () => {
    throw new Error('upstream exploded');
  };
  return [
    makeTool(weather, { name: rename ?? 'get-weather', description: 'Weather now', schema }),
    makeTool(bad, { name: 'bad_tool', description: 'Fails', schema: { ...schema, required: [] } }),
  ];
}

const OPERATIONS = {
  // One program that calls tools, aborted after a while if that is asked for.
  async program({ tool, options, args, rename, abort_after_ms: abortAfterMs }) {
    const made = create(tool, options);
    const tools = toolsOf(rename);
    const toolMap = new Map(tools.map((each) => [each.name, each]));
    const toolDefs = tools.map(({ name, description, schema }) => ({
      name,
      description,
      parameters: schema,
    }));
    calls += 1;
    const id = `call_${calls}`;
    const call = { type: 'tool_call', id, name: made.name, args, toolMap, toolDefs };
    const abort = new AbortController();
    if (abortAfterMs) setTimeout(() => abort.abort(), abortAfterMs);
    return shown(await made.invoke(call, abortAfterMs ? { signal: abort.signal } : undefined));
  },

  identifier({ language, name }) {
    return language === 'bash'
      ? agents.normalizeToBashIdentifier(name)
      : agents.normalizeToPythonIdentifier(name);
  },

  // One call of a tool, with what LibreChat adds to it in `extra`.
  async call({ tool, options, args, extra = {} }) {
    const made = create(tool, options);
    calls += 1;
    const id = `call_${calls}`;
    return shown(await made.invoke({ type: 'tool_call', id, name: made.name, args, ...extra }));
  },

  // One turn of a conversation: the ToolNode keeps its files for the next.
  async turn({ conversation, options, args, seed = null }) {
    if (!conversations.has(conversation)) {
      const made = create('code', options);
      const sessions = new Map();
      if (seed !== null) sessions.set('execute_code', { ...seed, lastUpdated: Date.now() });
      const toolMap = new Map([[made.name, made]]);
      const node = new ToolNode({ tools: [made], sessions, toolMap });
      conversations.set(conversation, { made, sessions, node });
    }
    const { made, node } = conversations.get(conversation);
    calls += 1;
    const asked = { id: `call_${calls}`, name: made.name, args, type: 'tool_call' };
    const state = { messages: [new AIMessage({ content: '', tool_calls: [asked] })] };
    const done = await node.invoke(state, { configurable: { thread_id: conversation } });
    const messages = Array.isArray(done) ? done : done.messages;
    return shown(messages[messages.length - 1]);
  },

  remembered: ({ conversation }) => conversations.get(conversation).sessions.get('execute_code').files,

  fetchSessionFiles({ given, token }) {
    return agents.fetchSessionFiles(...given, ...(token ? [bearer(token)] : []));
  },

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
